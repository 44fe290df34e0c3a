"""Masks that were painted in other programs, as pictures, merged like masks from strokes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.maps.merging import Contribution, ImageMap, merge
from saliency.masks.rasterizing import Ink, Mask
from saliency.parameters import MapParameters
from saliency.sources.image import SourceImage, read_picture


@dataclass(frozen=True, slots=True)
class RasterMasks:
    """Merges the masks of one image: mean, blur, scale, as from strokes.

    Parameters
    ----------
    folder : holds `<image_id>/<anything>.png`, one mask per annotation, see `read_mask`; brought to the
        image's size by the nearest pixel. An empty mask does not count
    parameters : of the map; which annotations to include and how to weigh them has no meaning here
    """

    folder: Path
    parameters: MapParameters

    def __call__(self, image: SourceImage) -> ImageMap | None:
        """Merge the masks of an image."""
        masks = (read_mask(path) for path in sorted((self.folder / image.image_id).glob("*.png")))
        inks = (Ink.of(_sized(mask, image)) for mask in masks)
        given = [Contribution(ink) for ink in inks if ink.pixels]
        return merge(image.image_id, given, self.parameters, width=image.width, height=image.height)


def read_mask(path: Path) -> Mask:
    """Read a mask (height, width) uint8 in {0, 1} from a picture of 1, 8 or 16 bits, grey or coloured.

    Painted is what reaches half of the picture's own highest value, so 0/1, 0/255 and soft edges are read
    alike. What counts is the alpha channel where it varies, otherwise the brightest of the colours. A picture
    of zeros is an empty mask.
    """
    strength = _strength(read_picture(path)[0])
    highest = int(strength.max())
    painted = strength.astype(np.uint32) * 2 >= highest if highest else np.zeros(strength.shape, dtype=bool)
    return painted.astype(np.uint8)


def _strength(picture: NDArray[Any]) -> NDArray[Any]:
    if picture.ndim == 2:
        return picture
    if picture.shape[2] == 4 and np.ptp(picture[..., 3]):
        return np.asarray(picture[..., 3])
    return np.asarray(picture[..., :3].max(axis=2))


def _sized(mask: Mask, image: SourceImage) -> Mask:
    size = (image.width, image.height)
    return np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8)
