"""Files at both ends: annotations in, 16-bit maps out.

What is written appears whole or not at all: a folder is built beside its place and moved there when it is
complete.
"""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from saliency.annotations import Annotation, ImageAnnotations
from saliency.scaling import SaliencyMap
from saliency.strokes import StrokeError, parse_strokes

FILE_STEM: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
MAX_SIDE_PX: Final = 16_384
WHITE: Final = 65_535  # the 16-bit value of 1.0
PNG_OPTIONS: Final = (  # on smooth maps half the time of OpenCV's defaults at the same size
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
)


def encode_map_png(values: SaliencyMap) -> bytes:
    """Encode a map as 16-bit greyscale PNG, 65535 = 1.0; the same map gives the same bytes.

    Parameters
    ----------
    values : (height, width) float32 in [0, 1]; each comes back within 1/131070
    """
    if values.ndim != 2 or not values.size:
        raise ValueError(f"a map has two dimensions and at least one pixel, not shape {values.shape}")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise ValueError(f"a map lies in [0, 1]; this one goes from {low:g} to {high:g}")
    grey = (values * np.float32(WHITE) + np.float32(0.5)).astype(np.uint16)
    return bytes(cv2.imencode(".png", grey, PNG_OPTIONS)[1])


def decode_map_png(data: bytes) -> SaliencyMap:
    """Read a greyscale PNG of 8 or 16 bits as a map.

    Returns
    -------
    values : (height, width) float32 in [0, 1]

    Raises
    ------
    ValueError
        The bytes are no greyscale image.
    """
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise ValueError("the map is not a readable image")
    if image.ndim != 2:
        raise ValueError(f"a map is greyscale; this image has {image.shape[2]} channels")
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a map has 8 or 16 bits per pixel; this image holds {image.dtype}")
    white = np.float32(255 if image.dtype == np.uint8 else WHITE)
    values: SaliencyMap = image.astype(np.float32) / white
    return values


class AnnotationFileError(ValueError):
    """An annotations file cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class ImageLines:
    """The lines of an annotations file that are about one image, not yet checked beyond that."""

    path: str
    image_id: str
    numbers: tuple[int, ...]
    lines: tuple[bytes, ...]


def read_annotations(path: Path) -> Iterator[ImageAnnotations]:
    """Read an annotations file, one image at a time, in the order of the image ids.

    Lines may come in any order. Only where they start is held in memory, and the annotations of one image.

    Parameters
    ----------
    path : JSON lines, one annotation each, with at least `image_id`, `width`, `height`, `correct` and
        `strokes`; blank lines are skipped; without an `annotation_id` the line's own hash serves

    Raises
    ------
    AnnotationFileError
        A line cannot be used; the message names file and line.
    """
    return map(parse_image_lines, read_image_lines(path))


def read_image_lines(path: Path) -> Iterator[ImageLines]:
    """Group the lines of an annotations file by image, in the order of the image ids."""
    try:
        with path.open("rb") as file:
            places = _places(file, path)
            for image_id in sorted(places):
                numbers, lines = [], []
                for number, offset in places[image_id]:
                    file.seek(offset)
                    numbers.append(number)
                    lines.append(file.readline())
                yield ImageLines(str(path), image_id, tuple(numbers), tuple(lines))
    except OSError as error:
        raise AnnotationFileError(f"{path} cannot be read: {error.strerror}") from error


def _places(file: Any, path: Path) -> dict[str, list[tuple[int, int]]]:
    """Return for each image its (line number, offset in bytes)."""
    places: dict[str, list[tuple[int, int]]] = {}
    offset = 0
    for number, line in enumerate(file, start=1):
        if line.strip():
            image_id = _image_id(_decoded(line, f"{path}, line {number}"), f"{path}, line {number}")
            places.setdefault(image_id, []).append((number, offset))
        offset += len(line)
    return places


def _decoded(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AnnotationFileError(f"{where}: not valid JSON") from error
    if not isinstance(value, dict):
        raise AnnotationFileError(f"{where}: an annotation must be a JSON object")
    return value


def _image_id(value: Mapping[str, Any], where: str) -> str:
    image_id = value.get("image_id")
    if not isinstance(image_id, str) or not FILE_STEM.fullmatch(image_id):
        raise AnnotationFileError(f"{where}: image_id must be a text of letters, digits, '.', '_' and '-'")
    return image_id


def parse_image_lines(group: ImageLines) -> ImageAnnotations:
    """Check and decode the annotations of one image; an error names the file and the line."""
    size: tuple[int, int] | None = None
    annotations: dict[str, Annotation] = {}
    for number, line in zip(group.numbers, group.lines, strict=True):
        where = f"{group.path}, line {number}"
        value = _decoded(line, where)
        size = _size(value, where, earlier=size)
        one = _annotation(value, where, line=line, size=size)
        if one.annotation_id in annotations:
            raise AnnotationFileError(f"{where}: annotation {one.annotation_id} appears twice")
        annotations[one.annotation_id] = one
    width, height = size or (0, 0)
    return ImageAnnotations(group.image_id, width, height, tuple(annotations.values()))


def _size(value: Mapping[str, Any], where: str, *, earlier: tuple[int, int] | None) -> tuple[int, int]:
    for name in ("width", "height"):
        if type(value.get(name)) is not int or not 1 <= value[name] <= MAX_SIDE_PX:
            raise AnnotationFileError(f"{where}: {name} must be a whole number from 1 to {MAX_SIDE_PX}")
    size = (value["width"], value["height"])
    if earlier not in (None, size):
        raise AnnotationFileError(
            f"{where}: width and height {size} differ from {earlier} in an earlier line about this image"
        )
    return size


def _annotation(value: Mapping[str, Any], where: str, *, line: bytes, size: tuple[int, int]) -> Annotation:
    if type(value.get("correct")) is not bool:
        raise AnnotationFileError(f"{where}: correct must be true or false")
    if "strokes" not in value:
        raise AnnotationFileError(f"{where}: strokes is missing")
    try:
        strokes = parse_strokes(value["strokes"], width=size[0], height=size[1])
    except StrokeError as error:
        raise AnnotationFileError(f"{where}: {error}") from error
    identity = value.get("annotation_id")
    own = sha256(line.strip()).hexdigest()[:16] if identity is None else str(identity)
    return Annotation(annotation_id=own, correct=value["correct"], strokes=strokes)


class OutputError(ValueError):
    """A folder cannot be written; the message says which and why."""


def write_file(target: Path, data: bytes) -> None:
    """Write a file whole or not at all; its folder must exist, and an earlier file is replaced."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        fresh = Path(scratch) / "new"
        fresh.write_bytes(data)
        fresh.replace(target)


@contextmanager
def new_folder(target: Path, *, mark: str) -> Iterator[Path]:
    """Give a folder to fill; it takes its place when the block ends well and vanishes when it does not.

    Parameters
    ----------
    target : where the folder will be; its parents are made. An earlier result there is replaced
    mark : name of a file that every result holds; a folder that has content without it is refused
    """
    _check_replaceable(target, mark)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        yield fresh
        _check_replaceable(target, mark)
        if target.exists():
            target.rename(Path(scratch) / "old")
        fresh.rename(target)


def _check_replaceable(target: Path, mark: str) -> None:
    if target.is_dir():
        if any(target.iterdir()) and not (target / mark).is_file():
            raise OutputError(f"{target} is not empty and holds no {mark}, so it is left alone")
    elif target.exists():
        raise OutputError(f"{target} is a file, not a folder")
