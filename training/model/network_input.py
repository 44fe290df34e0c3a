"""What a network takes of a picture: how large, how it is brought to that size, and on which scale."""

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
class Scale:
    """Pixels in [0, 1] become (pixel - mean) / std, per channel."""

    mean: Colour
    std: Colour


IMAGENET: Final = Scale((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF: Final = Scale((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""-1 to 1. torchvision's Inception takes ImageNet's scale and turns it into this one itself."""


@dataclass(frozen=True, slots=True)
class Input:
    """What a network expects of its images."""

    side: int  # px
    scale: Scale
    resize: Resize = "area"

    def as_record(self) -> dict[str, Any]:
        """As run.json and the model card have it."""
        return {"side": self.side, **asdict(self.scale), "resize": self.resize}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "Input":
        """What `as_record` gave; records of before there was a choice say nothing of the resize."""
        mean, std = ((float(r), float(g), float(b)) for r, g, b in (record["mean"], record["std"]))
        return cls(int(record["side"]), Scale(mean, std), record.get("resize", "area"))


def scale_of(scaling: Scaling) -> Scale | None:
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
    """Any picture (height, width, 3) as (side, side, 3), whatever its shape was.

    how : `area` is the mean over the covered area, bilinear when enlarging (OpenCV); `pil_bilinear` is
        Pillow's bilinear filter, which widens when it shrinks: torchvision's `Resize` of a Pillow image
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
