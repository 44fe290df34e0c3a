"""Prepare one file of an import to be stored."""

from dataclasses import dataclass, replace

from PIL import Image

from app.stimuli.encode import jpeg, png
from app.stimuli.face_search import FaceSearch
from app.stimuli.faces import NO_FACE, aligned, find_face
from app.stimuli.manifest import FaceBox, Item
from saliency.images.decoder import decode
from saliency.images.file_facts import FileFacts, read_file_facts
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
    file: FileFacts
    """What the file was."""
    face_found: bool = False
    remark: str = ""
    """What somebody should look at: no face, or several."""


@dataclass(frozen=True, slots=True)
class Framed:
    """A picture as it is to be stored, with its face."""

    picture: Image.Image
    face: FaceBox | None
    face_found: bool = False
    remark: str = ""


def prepare(item: Item, *, size: int | None, faces: FaceSearch | None = None) -> PreparedImage:
    """Decode, find or align the face if that is wanted, crop and scale to `size` × `size` if one is wanted,
    encode. Raises Unusable; `faces` must be given a size to align."""
    picture = decode(item.path)
    given = within(item.face, picture.width, picture.height)
    if faces is FaceSearch.ALIGN and size is not None:
        framed = _aligned(picture, given, size=size)
    else:
        framed = _squared(_with_face(picture, given, wanted=faces is not None), size=size)
    picture = framed.picture
    return PreparedImage(
        png(picture),
        jpeg(picture),
        picture.width,
        picture.height,
        framed.face,
        read_file_facts(item.path),
        framed.face_found,
        framed.remark,
    )


def _with_face(picture: Image.Image, given: FaceBox | None, *, wanted: bool) -> Framed:
    if given is not None or not wanted:
        return Framed(picture, given)
    found = find_face(picture)
    if found is None:
        return Framed(picture, None, remark=NO_FACE)
    face = within(found.box, picture.width, picture.height)
    return Framed(picture, face, face_found=True, remark=found.remark)


def _squared(framed: Framed, *, size: int | None) -> Framed:
    if size is None:
        return framed
    face = square_face(framed.face, framed.picture.width, framed.picture.height, size=size)
    return replace(framed, picture=square(framed.picture, size=size), face=face)


def _aligned(picture: Image.Image, given: FaceBox | None, *, size: int) -> Framed:
    found = find_face(picture, near=given)
    if found is None:
        raise Unusable("no face was found, so it cannot be aligned.")
    upright = aligned(picture, found, size=size)
    again = find_face(upright, near=FaceBox(size / 4, size / 4, size / 2, size / 2))
    if again is None:
        raise Unusable("its face was lost when it was aligned.")
    return Framed(upright, within(again.box, size, size), face_found=True, remark=found.remark)


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
    return within(moved, size, size)


def _centre(width: int, height: int) -> tuple[int, int, int]:
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side


def within(face: FaceBox | None, width: int, height: int) -> FaceBox | None:
    """A face box cut at the edges of its picture. Raises Unusable when it lies outside."""
    if face is None:
        return None
    x, y = max(face.x, 0.0), max(face.y, 0.0)
    right, bottom = min(face.x + face.width, width), min(face.y + face.height, height)
    if right <= x or bottom <= y:
        raise Unusable(f"its face box lies outside of the {width}×{height} picture.")
    return FaceBox(x, y, right - x, bottom - y)
