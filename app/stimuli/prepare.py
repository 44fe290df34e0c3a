"""Prepare one file of an import to be stored."""

from dataclasses import dataclass

from PIL import Image

from app.stimuli.encode import jpeg, png
from app.stimuli.manifest import FaceBox, Item
from saliency.images.decoder import decode
from saliency.images.unusable import Unusable


@dataclass(frozen=True, slots=True)
class PreparedImage:
    content: bytes
    """PNG."""
    display: bytes
    """JPEG."""
    width: int
    height: int
    face: FaceBox | None


def prepare(item: Item, *, size: int | None) -> PreparedImage:
    """Decode, crop and scale to `size` × `size` unless it is None, and encode; `Unusable` if that fails."""
    picture = decode(item.path)
    face = _within(item.face, picture.width, picture.height)
    if size is not None:
        face = square_face(face, picture.width, picture.height, size=size)
        picture = square(picture, size=size)
    return PreparedImage(png(picture), jpeg(picture), picture.width, picture.height, face)


def square(picture: Image.Image, *, size: int) -> Image.Image:
    """The largest centred square, scaled to `size` × `size`; untouched when it is that already."""
    if picture.size == (size, size):
        return picture
    left, top, side = _centre(*picture.size)
    box = (left, top, left + side, top + side)
    return picture.resize((size, size), Image.Resampling.LANCZOS, box=box)


def square_face(face: FaceBox | None, width: int, height: int, *, size: int) -> FaceBox | None:
    """The face box after `square`, clipped to the picture."""
    if face is None:
        return None
    left, top, side = _centre(width, height)
    scale = size / side
    moved = FaceBox((face.x - left) * scale, (face.y - top) * scale, face.width * scale, face.height * scale)
    return _within(moved, size, size)


def _centre(width: int, height: int) -> tuple[int, int, int]:
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def _within(face: FaceBox | None, width: int, height: int) -> FaceBox | None:
    if face is None:
        return None
    x, y = max(face.x, 0.0), max(face.y, 0.0)
    right, bottom = min(face.x + face.width, width), min(face.y + face.height, height)
    if right <= x or bottom <= y:
        raise Unusable(f"its face box lies outside of the {width}×{height} picture.")
    return FaceBox(x, y, right - x, bottom - y)
