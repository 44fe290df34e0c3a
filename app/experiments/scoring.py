"""Score one image with a trained detector: prepare the file for it, and read its answer.

A worker runs the detector, because the web process never imports PyTorch, and may not have it.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import BadInput
from saliency.images.crop import FaceBox, apply_crop, face_crop
from saliency.images.decoder import decode_bytes
from saliency.images.unusable import Unusable
from training.config import explain

CROP_PX: Final = 512
"""Side of a crop before it is scaled to the input size of the network, which is never larger."""


class DetectorAnswer(BaseModel):
    """What `python -m training score --json` prints; pictures are base64 of PNG."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    logit_real: float
    logit_fake: float
    score_sigmoid: float
    score_softmax: float
    entropy: float
    side: int
    seen: str
    cam: str
    cam_grey: str = ""
    """The map as `python -m training score --cams` writes it; empty in an earlier version's answer."""


def face_of(text: str) -> FaceBox | None:
    """Four numbers, `x, y, width, height`; nothing for an image that is a face crop already."""
    if not text.strip():
        return None
    try:
        x, y, width, height = (float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise BadInput("A face box is four numbers in pixels: x, y, width, height.") from None
    return x, y, width, height


@dataclass(frozen=True, slots=True)
class ImageToScore:
    """The PNG for the detector, and the size of the picture that was sent."""

    png: bytes
    width: int
    height: int


def prepared(content: bytes, *, called: str, face: FaceBox | None) -> ImageToScore:
    """Make the PNG that a detector scores out of an image file.

    face : x, y, width, height of the face in pixels; it is cut out as the faces of a dataset are. None
        takes the whole picture, for one that is a face crop already.
    `BadInput`: the file is no image, or the face box does not fit it
    """
    try:
        picture = np.asarray(decode_bytes(content))
    except Unusable as reason:
        raise BadInput(f"{called or 'The file'} {reason}") from None
    height, width = picture.shape[:2]
    png = cv2.imencode(".png", cv2.cvtColor(_cut(picture, face), cv2.COLOR_RGB2BGR))[1]
    return ImageToScore(bytes(png), width, height)


def _cut(picture: Any, face: FaceBox | None) -> Any:
    if face is None:
        return picture
    height, width = picture.shape[:2]
    try:
        crop = face_crop(face, width=width, height=height)
    except ValueError as error:
        raise BadInput(f"The {error}.") from None
    return apply_crop(picture, crop, size=CROP_PX)


def answer_in(text: str) -> DetectorAnswer:
    """The answer in the output of `python -m training score`; `BadInput` without one."""
    try:
        return DetectorAnswer.model_validate(json.loads(text.strip().splitlines()[-1]))
    except ValidationError as error:
        raise BadInput(f"The detector's answer cannot be used: {explain(error)}") from None
    except (ValueError, IndexError):
        raise BadInput("The detector gave no answer that can be read.") from None
