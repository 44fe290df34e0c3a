"""Where the face is in a picture that is imported, and how it is framed."""

from dataclasses import dataclass
from threading import local
from typing import Final

import numpy as np
from PIL import Image

from app.errors import BadInput
from app.stimuli.manifest import FaceBox
from saliency.images.alignment import align, ffhq_frame
from saliency.images.faces import DetectedFace, FaceFinder, NoFaceModel, installed_model
from saliency.images.unusable import Unusable

OF_THREAD: Final = local()
NO_FACE: Final = "no face was found; give its box by hand."
"""What somebody should know of a picture without one."""


@dataclass(frozen=True, slots=True)
class FoundFace:
    """The face of a picture; `others` is how many further faces were found in it."""

    face: DetectedFace
    others: int

    @property
    def box(self) -> FaceBox:
        return FaceBox(*self.face.box)

    @property
    def remark(self) -> str:
        """What somebody should look at; empty for a picture of one face."""
        return f"{self.others + 1} faces were found; the largest is taken." if self.others else ""


def require_model() -> None:
    """Raise BadInput when the weights that find faces are not installed."""
    try:
        installed_model()
    except NoFaceModel as missing:
        raise BadInput(str(missing)) from None


def find_face(picture: Image.Image, *, near: FaceBox | None = None) -> FoundFace | None:
    """The face that overlaps a box most, or the largest one; None when there is no face."""
    faces = _finder().find(np.asarray(picture))
    if not faces:
        return None
    face = max(faces, key=lambda face: _overlap(face.box, near)) if near else faces[0]
    return FoundFace(face, len(faces) - 1)


def aligned(picture: Image.Image, found: FoundFace, *, size: int) -> Image.Image:
    """The face upright and framed as the photographs of FFHQ are, `size` × `size`. Raises Unusable."""
    try:
        frame = ffhq_frame(found.face.landmarks)
    except ValueError as error:
        raise Unusable(f"its face cannot be aligned: {error}.") from None
    return Image.fromarray(align(np.asarray(picture), frame, size=size))


def _finder() -> FaceFinder:
    """One for each thread: a network holds the picture that it is at."""
    if not hasattr(OF_THREAD, "finder"):
        OF_THREAD.finder = FaceFinder()
    finder: FaceFinder = OF_THREAD.finder
    return finder


def _overlap(box: tuple[float, ...], other: FaceBox) -> float:
    """Square pixels that two boxes share."""
    x, y, width, height = box
    across = min(x + width, other.x + other.width) - max(x, other.x)
    down = min(y + height, other.y + other.height) - max(y, other.y)
    return max(across, 0) * max(down, 0)
