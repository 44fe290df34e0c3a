"""The annotations file: JSON lines, one annotation each."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from saliency.files.text import encoding_of
from saliency.maps.annotations import Annotation, ImageAnnotations
from saliency.maps.inclusion import MissingField, check_fields
from saliency.masks.strokes import MAX_TIME_MS, StrokeError, parse_strokes
from saliency.parameters import MapParameters

FILE_STEM: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
MAX_SIDE_PX: Final = 16_384


class AnnotationFileError(ValueError):
    """An annotations file cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class ImageLines:
    """The lines of an annotations file that are about one image, not yet checked beyond that."""

    path: str
    image_id: str
    numbers: tuple[int, ...]
    lines: tuple[bytes, ...]


def read_annotations(path: Path, parameters: MapParameters | None = None) -> Iterator[ImageAnnotations]:
    """Read an annotations file, one image at a time, in the order of the image ids.

    Lines may come in any order. Only where they start is held in memory, and the annotations of one image.

    Parameters
    ----------
    path : JSON lines, one annotation each, with at least `image_id`, `width`, `height`, `correct` and
        `strokes`; `image_id` is a text or an integer; 7 and "7" are one image. Blank lines are skipped;
        without an `annotation_id` the line's own hash serves. The other fields of `Annotation` may be missing
        or null; fields that it does not have are ignored
    parameters : when given, a line that lacks what they need is an error

    Raises
    ------
    AnnotationFileError
        A line cannot be used; the message names file and line.
    """
    return (parse_image_lines(group, parameters) for group in read_image_lines(path))


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
        if number == 1 and encoding_of(line) != "utf-8":
            raise AnnotationFileError(f"{path}: this is UTF-16 text; save the file as UTF-8")
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
    name = str(image_id) if type(image_id) is int else image_id
    if not isinstance(name, str) or not FILE_STEM.fullmatch(name):
        raise AnnotationFileError(
            f"{where}: image_id must be an integer, or a text of letters, digits, '.', '_' and '-'"
        )
    return name


def parse_image_lines(group: ImageLines, parameters: MapParameters | None = None) -> ImageAnnotations:
    """Check and decode the annotations of one image, as `read_annotations` does."""
    size: tuple[int, int] | None = None
    annotations: dict[str, Annotation] = {}
    for number, line in zip(group.numbers, group.lines, strict=True):
        where = f"{group.path}, line {number}"
        value = _decoded(line, where)
        size = _size(value, where, earlier=size)
        annotation = _annotation(value, where, line=line, size=size)
        _check_needed(annotation, parameters, where)
        if annotation.annotation_id in annotations:
            raise AnnotationFileError(f"{where}: annotation {annotation.annotation_id} appears twice")
        annotations[annotation.annotation_id] = annotation
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
    annotation_id = sha256(line.strip()).hexdigest()[:16] if identity is None else str(identity)
    return Annotation(
        annotation_id=annotation_id,
        correct=value["correct"],
        strokes=strokes,
        arm=_text(value, "arm", where),
        question=_text(value, "question", where),
        participant=_text(value, "participant", where),
        accuracy=_number(value, "accuracy", where, highest=1.0),
        decision_ms=_number(value, "decision_ms", where, highest=MAX_TIME_MS),
        decided_at=_moment(value, where),
        flags=_flags(value, where),
    )


def _check_needed(flag: Annotation, parameters: MapParameters | None, where: str) -> None:
    try:
        if parameters is not None:
            check_fields(flag, parameters)
    except MissingField as error:
        raise AnnotationFileError(f"{where}: {error}") from error


def _text(value: Mapping[str, Any], name: str, where: str) -> str | None:
    text = value.get(name)
    if text is not None and not isinstance(text, str):
        raise AnnotationFileError(f"{where}: {name} must be a text")
    return text


def _number(value: Mapping[str, Any], name: str, where: str, *, highest: float) -> float | None:
    number = value.get(name)
    if number is None:
        return None
    if type(number) not in (int, float) or not 0 <= number <= highest:
        raise AnnotationFileError(f"{where}: {name} must be a number from 0 to {highest:g}")
    return float(number)


def _moment(value: Mapping[str, Any], where: str) -> datetime | None:
    text = value.get("decided_at")
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise AnnotationFileError(
            f"{where}: decided_at must be a moment with its time zone, such as 2026-03-01T12:00:00+00:00"
        )
    return moment


def _flags(value: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    flags = value.get("flags")
    if flags is None:
        return None
    if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
        raise AnnotationFileError(f"{where}: flags must be a list of texts")
    return tuple(flags)
