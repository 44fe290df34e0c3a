"""What maps are built from, as hashes that need no stroke, so that only changed maps are built again."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from typing import Any, Final

from sqlalchemy.orm import Session

from app.db import AnyRow, streamed
from app.maps.queries import inclusion_rows
from app.models import Label
from saliency.images.crop import FaceBox
from saliency.maps.annotations import Annotation
from saliency.maps.inclusion import included
from saliency.parameters import MapParameters

BUILDER: Final = 1
"""Raise it when the code makes another map, thumbnail, sketch or reliability of the same annotations."""

LIBRARIES: Final = ("numpy", "opencv-python-headless", "scipy")
"""Libraries whose version can change a byte of a map."""


@dataclass(frozen=True, slots=True)
class ImageInputs:
    """An image, the annotations that count on it (without their strokes), and the hash of all of it."""

    image_id: int
    width: int
    height: int
    label: Label
    source: str
    face: FaceBox | None
    annotations: tuple[Annotation, ...]
    simulated: int
    hash: str


@dataclass(frozen=True, slots=True)
class MapSetInputs:
    """The annotations and images that a map set would be built from, and their hash."""

    hash: str
    annotations: int
    simulated: int
    images: int


def image_inputs(session: Session, study_id: int, parameters: MapParameters) -> Iterator[ImageInputs]:
    """The images on which an annotation counts, ordered by id; only a few are in memory at a time."""
    shared = _shared(parameters)
    rows = streamed(session, inclusion_rows(study_id))
    for _, group in groupby(rows, key=lambda row: row.image_id):
        if inputs := _inputs_of_image(list(group), parameters, shared):
            yield inputs


def read_inputs(session: Session, study_id: int, parameters: MapParameters) -> MapSetInputs:
    """Hash and count what a map set would be built from."""
    tally = InputsTally()
    for image in image_inputs(session, study_id, parameters):
        tally.add(image, parameters)
    return tally.inputs


class InputsTally:
    """Adds up the inputs of images to those of their map set."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._annotations = self._simulated = self._images = 0

    def add(self, image: ImageInputs, parameters: MapParameters) -> None:
        self._digest.update(f"{image.image_id} {image.hash}\n".encode())
        self._annotations += min(
            len(image.annotations), parameters.first_annotators or len(image.annotations)
        )
        self._simulated += image.simulated
        self._images += 1

    @property
    def inputs(self) -> MapSetInputs:
        return MapSetInputs(self._digest.hexdigest(), self._annotations, self._simulated, self._images)


def _shared(parameters: MapParameters) -> dict[str, Any]:
    """The part of the hash that all maps of a set share."""
    libraries = {name: version(name) for name in LIBRARIES}
    return {"builder": BUILDER, "libraries": libraries, "parameters": parameters.to_dict()}


def _inputs_of_image(
    rows: Sequence[AnyRow], parameters: MapParameters, shared: dict[str, Any]
) -> ImageInputs | None:
    """The inputs of one image; None when no annotation on it counts."""
    first = rows[0]
    by_id = {str(row.id): row for row in rows}
    counted = tuple(included((_annotation(row) for row in rows), parameters))
    if not counted:
        return None
    chosen = [by_id[annotation.annotation_id] for annotation in counted]
    hashed = {
        **shared,
        "image": [first.image_id, first.width, first.height],
        "annotations": [_identity(row, parameters) for row in chosen],
    }
    return ImageInputs(
        image_id=first.image_id,
        width=first.width,
        height=first.height,
        label=first.label,
        source=first.source,
        face=_face(first),
        annotations=counted,
        simulated=sum(row.simulated for row in chosen[: parameters.first_annotators]),
        hash=hashlib.sha256(json.dumps(hashed, sort_keys=True).encode()).hexdigest(),
    )


def _identity(row: AnyRow, parameters: MapParameters) -> list[Any]:
    """What identifies an annotation and its weight; a decision never changes its times, arm or question."""
    accuracy = [row.accuracy] if parameters.weight == "accuracy" else []
    return [row.id, row.correct, row.body_hash, *accuracy]


def _annotation(row: AnyRow) -> Annotation:
    return Annotation(
        annotation_id=str(row.id),
        correct=row.correct,
        strokes=(),
        arm=row.arm,
        question=row.question.value,
        participant=row.participant,
        accuracy=row.accuracy,
        decision_ms=row.decision_ms,
        decided_at=row.decided_at,
        flags=tuple(row.flags),
    )


def _face(row: AnyRow) -> FaceBox | None:
    return None if row.face_x is None else (row.face_x, row.face_y, row.face_width, row.face_height)
