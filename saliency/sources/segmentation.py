"""Face segmentation as a map: what a parser takes for the face is salient, the rest is not.

The baseline of the CYBORG paper (section 6.4) is the mask of "all facial regions" from a face parser trained
on 19 classes. Which classes these are is not said; the default here is skin, brows, eyes, nose, mouth and
lips, so neither hair, ears, neck nor clothes and glasses.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from saliency.maps.merging import ImageMap
from saliency.sources.image import SourceError, SourceImage, map_of, read_picture

FACE_PARTS: Final = (
    *("background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "glasses", "l_ear", "r_ear", "earring"),
    *("nose", "mouth", "u_lip", "l_lip", "neck", "necklace", "cloth", "hair", "hat"),
)
"""The 19 classes in the order of zllrunning/face-parsing.PyTorch; CelebAMask-HQ's own order is another."""

FACE_CLASSES: Final = (1, 2, 3, 4, 5, 10, 11, 12, 13)


@dataclass(frozen=True, slots=True)
class Segmentation:
    """1 in the pixels of some classes, 0 elsewhere.

    Parameters
    ----------
    folder : holds `<image_id>.png`, greyscale of up to 16 bits whose value is the class, of any size; brought
        to the image's size by the nearest pixel. No file, or none of the classes in it: no map
    classes : numbers of the classes that are salient, at least one
    """

    folder: Path
    classes: tuple[int, ...] = FACE_CLASSES

    def __call__(self, image: SourceImage) -> ImageMap | None:
        """Read the segmentation of an image."""
        path = self.folder / f"{image.image_id}.png"
        if not path.is_file():
            return None
        labels, _ = read_picture(path)
        if labels.ndim != 2:
            raise SourceError(
                f"{path} is in colours; a segmentation is greyscale, its values are the classes"
            )
        chosen = np.isin(labels, self.classes).astype(np.float32)
        size = (image.width, image.height)
        values = cv2.resize(chosen, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return map_of(image, np.asarray(values, dtype=np.float32))


def parse_classes(names: Iterable[str]) -> tuple[int, ...]:
    """Read classes given by number or by the names in `FACE_PARTS`."""
    classes = []
    for name in names:
        if name in FACE_PARTS:
            classes.append(FACE_PARTS.index(name))
        elif name.isdecimal() and int(name) < 65_536:
            classes.append(int(name))
        else:
            raise SourceError(f"{name!r} is no class: give a number or one of {', '.join(FACE_PARTS)}")
    return tuple(sorted(set(classes)))
