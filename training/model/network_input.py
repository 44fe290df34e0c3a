"""The input of a network: side in pixels, resize, and scale of pixel values."""

from dataclasses import asdict, dataclass
from typing import Any, Final, assert_never

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.images.resizing import resize_as_pillow
from training.config import Resize, Scaling

Bytes = NDArray[np.uint8]
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PixelScale:
    """Mean and standard deviation per channel: pixels in [0, 1] become (pixel - mean) / std."""

    mean: Colour
    std: Colour


IMAGENET: Final = PixelScale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Final = PixelScale((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""-1 to 1. torchvision's Inception takes ImageNet's scale and turns it into this one itself."""


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """Size, scale and resize of the images that a network takes."""

    side: int  # px
    scale: PixelScale
    resize: Resize = "area"

    def as_record(self) -> dict[str, Any]:
        """The JSON of run.json and the model card."""
        return {"side": self.side, **asdict(self.scale), "resize": self.resize}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "NetworkInput":
        """Read what `as_record` wrote; older records have no `resize`, which means `area`."""
        mean, std = ((float(r), float(g), float(b)) for r, g, b in (record["mean"], record["std"]))
        return cls(int(record["side"]), PixelScale(mean, std), record.get("resize", "area"))


def scale_of(scaling: Scaling) -> PixelScale | None:
    """The scale that is asked for; None for `auto`."""
    match scaling:
        case "auto":
            return None
        case "imagenet":
            return IMAGENET
        case "half":
            return HALF
        case _:
            assert_never(scaling)


def resized(pixels: Bytes, side: int, how: Resize) -> Bytes:
    """An image (height, width, 3) uint8 as (side, side, 3); the aspect ratio is not kept.

    how : `area` is the mean over the covered area, bilinear when enlarging (OpenCV); `pil_bilinear` is
        Pillow's bilinear filter with antialiasing, as torchvision's `Resize` of a Pillow image
    """
    if pixels.shape[:2] == (side, side):
        return pixels
    match how:
        case "area":
            shrinks = side < min(pixels.shape[:2])
            kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            return np.asarray(cv2.resize(pixels, (side, side), interpolation=kind), np.uint8)
        case "pil_bilinear":
            return resize_as_pillow(pixels, width=side, height=side)
        case _:
            assert_never(how)
