"""Freeze images, labels, maps and splits into a dataset: a folder that never changes."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import Select, insert, or_, select
from sqlalchemy.orm import Session

from accuracy.shortcuts.audit import AuditedImage, ShortcutAudit, audit
from accuracy.shortcuts.features import pixel_features
from app.errors import BadInput, NotFound, WrongState
from app.experiments.judgements import judged_images, shown_pairs, who_judged
from app.models import (
    Dataset,
    DatasetImage,
    Image,
    JobState,
    MapSet,
    Pair,
    SaliencyMap,
    Split,
    Study,
    TrialKind,
)
from app.stimuli.audit import audited, face_of, looked_at
from app.stimuli.splits import Unsplit, assign_splits
from app.storage import BlobStore
from saliency.boxes import Box
from saliency.images.crop import FaceBox, apply_crop, face_crop
from saliency.images.decoder import decode_bytes
from saliency.images.unusable import Unusable
from saliency.maps.png import decode_numbers
from training.config import explain
from training.data.dataset import AUDIT, DatasetWriter, load_dataset
from training.data.dataset import DatasetFolder as Folder
from training.errors import DatasetError
from training.files import read_json, write_json

SIDE_PX: Final = 299
"""The largest input of the architectures in the papers; smaller ones shrink it."""

Progress = Callable[[int, int], None]


class FreezeParameters(BaseModel):
    """How a dataset is made of a study; recorded in dataset.json."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    crop: bool = True
    """Cut out the face (and forehead) where a face box is known, from image and map alike."""
    size: int = Field(SIDE_PX, ge=32, le=2048)
    """Side of every image and map in pixels."""
    val: float = Field(0.15, gt=0, lt=1)
    """Fraction set aside to choose the epoch, when no image was imported as val."""
    test: float = Field(0.25, gt=0, lt=1)
    """Fraction set aside for the end, when no image was imported as test."""
    seed: int = 0
    """Decides which images are set aside."""
    sources: tuple[str, ...] = ()
    """Of the images that were imported as val or test, only those of these sources; all of them if none."""

    @model_validator(mode="after")
    def _leaves_training_images(self) -> "FreezeParameters":
        if self.val + self.test >= 1:
            raise ValueError("val and test together must leave something to train on")
        return self


DEFAULT: Final = FreezeParameters()


def checked_parameters(**values: Any) -> FreezeParameters:
    """The parameters; `BadInput` with a sentence about the first value that is not allowed."""
    try:
        return FreezeParameters(**values)
    except ValidationError as error:
        raise BadInput(explain(error)) from error


def freeze_dataset(
    session: Session,
    blobs: BlobStore,
    map_set: MapSet,
    out_dir: Path | None,
    *,
    datasets_dir: Path,
    parameters: FreezeParameters = DEFAULT,
    on_progress: Progress = lambda _done, _total: None,
) -> Dataset:
    """Freeze the images of a study's pairs, with their maps, and every image imported as val or test.

    The same content is the same dataset: freezing it again returns the row that exists.

    out_dir : where to write; None for a folder in `datasets_dir` named after the content
    `BadInput`: the content makes no dataset
    `WrongState`: the map set is not built, or is stale
    """
    study = session.get_one(Study, map_set.study_id)
    check_usable(map_set, study)
    draft = datasets_dir / f".{uuid4().hex}"
    judging = who_judged(session, study.id)
    try:
        folder = _write(session, blobs, map_set, out_dir or draft, parameters, on_progress)
        home = out_dir.resolve() if out_dir else _settled(draft, datasets_dir / folder.id[:16])
    except DatasetError as error:
        raise BadInput(f"The study {study.slug} cannot be frozen: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    dataset = _row(session, map_set, folder, home)
    if not judging <= who_judged(session, study.id):  # somebody left while the folder was written
        dataset.stale = True
    return dataset


def check_usable(map_set: MapSet, study: Study) -> None:
    """Refuse a map set of a pilot, one that is not built, or one with the work of somebody who withdrew."""
    if study.is_pilot:
        raise WrongState(f"{study.slug} is a pilot of {study.pilot_of}; no dataset is made of a pilot.")
    if map_set.state is not JobState.SUCCEEDED:
        raise WrongState(f"Map set {map_set.version} is {map_set.state}, not built.")
    if map_set.stale:
        raise WrongState(f"Map set {map_set.version} holds the work of somebody who withdrew; build again.")


def _settled(draft: Path, home: Path) -> Path:
    """Move a new folder to its place, unless the same dataset is there already."""
    if not home.exists():
        draft.rename(home)
    return home.resolve()


def _row(session: Session, map_set: MapSet, folder: Folder, home: Path) -> Dataset:
    known = session.scalar(select(Dataset).where(Dataset.content_hash == folder.id))
    if known is not None:
        if not Path(known.folder).is_dir():
            known.folder = str(home)
        return known
    dataset = Dataset(
        content_hash=folder.id,
        study_id=map_set.study_id,
        map_set_id=map_set.id,
        folder=str(home),
        parameters=folder.parameters,
        counts=folder.counts,
        audit=read_json(home / AUDIT) if (home / AUDIT).is_file() else None,
    )
    session.add(dataset)
    session.flush()  # gives it an id; from here on a withdrawal waits for this transaction
    images = [{"dataset_id": dataset.id, "image_id": int(sample.image_id)} for sample in folder.samples]
    session.execute(insert(DatasetImage), images)
    session.refresh(map_set, ["stale"])  # somebody may have withdrawn while the folder was written
    dataset.stale = map_set.stale
    return dataset


def _write(
    session: Session,
    blobs: BlobStore,
    map_set: MapSet,
    out_dir: Path,
    parameters: FreezeParameters,
    on_progress: Progress,
) -> Folder:
    images = list(session.execute(_images(map_set, parameters.sources)))
    splits = assign_splits(
        (_candidate(image) for image, *_ in images),
        val=parameters.val,
        test=parameters.test,
        seed=parameters.seed,
    )
    study = session.get_one(Study, map_set.study_id)
    to_audit = {image.id for image in looked_at([image for image, *_ in images])}
    measured: list[AuditedImage] = []
    writer = DatasetWriter(
        out_dir,
        study=study.slug,
        map_set=f"v{map_set.version} {map_set.inputs_hash}",
        parameters=parameters.model_dump(exclude=None if parameters.sources else {"sources"})
        | _provenance(map_set),
    )
    with writer:
        writer.add_judgements(shown_pairs(session, study.id), judged_images(session, study.id))
        for done, (image, map_hash, annotators) in enumerate(images, start=1):
            cut = _cut(image, blobs, map_hash, parameters)
            if image.id in to_audit:
                measured.append(audited(image, pixel_features(cut.picture, cut.face)))
            writer.add(
                image_id=str(image.id),
                image=_encoded(cut.picture[..., ::-1]),
                label=image.label,
                source=image.source,
                split=splits[image.id],
                map=cut.saliency,
                annotators=annotators or 0,
            )
            on_progress(done, len(images))
    assert writer.dataset is not None  # noqa: S101 - set when the block ends well
    if (found := audit(measured, of=len(images))) is not None:
        write_json(out_dir / AUDIT, found.as_record())
    return writer.dataset


def _images(map_set: MapSet, sources: Sequence[str]) -> Select[Image, str | None, int | None]:
    """Images of the study's main pairs, and held-out images of the sources (of all sources if none)."""
    paired = (Pair.study_id == map_set.study_id) & (Pair.kind == TrialKind.MAIN)
    is_paired = select(Pair.real_image_id).where(paired).union(select(Pair.fake_image_id).where(paired))
    held_out = Image.split.in_([Split.VAL, Split.TEST])
    is_map_of_set = (SaliencyMap.image_id == Image.id) & (SaliencyMap.map_set_id == map_set.id)
    return (
        select(Image, SaliencyMap.blob_hash, SaliencyMap.annotators)
        .outerjoin(SaliencyMap, is_map_of_set)
        .where(or_(Image.id.in_(is_paired), held_out & Image.source.in_(sources) if sources else held_out))
        .order_by(Image.id)
        .with_for_update(read=True, of=Image)  # no split changes until the dataset has its row
    )


def _candidate(image: Image) -> Unsplit:
    return Unsplit(
        image.id, image.label, image.source, image.group, image.split.value if image.split else None
    )


def _provenance(map_set: MapSet) -> dict[str, Any]:
    """The parameters of the maps, and how many annotations they rest on and how many are simulated."""
    return {
        "maps": map_set.parameters,
        "annotations": map_set.annotations,
        "simulated_annotations": map_set.simulated,
    }


@dataclass(frozen=True, slots=True)
class _CutImage:
    """An image as a dataset keeps it."""

    picture: NDArray[np.uint8]  # (size, size, 3) RGB
    saliency: bytes | None
    """Its map as PNG."""
    face: FaceBox | None
    """Where the face is in it."""


def _cut(image: Image, blobs: BlobStore, map_hash: str | None, parameters: FreezeParameters) -> _CutImage:
    """The image and its map, both cut out by the same crop."""
    size, face = parameters.size, face_of(image)
    crop = face_crop(face if parameters.crop else None, width=image.width, height=image.height)
    numbers = _numbers(blobs.get(map_hash)) if map_hash else None
    return _CutImage(
        apply_crop(_picture(blobs.get(image.content_hash)), crop, size=size),
        None if numbers is None else _encoded(apply_crop(numbers, crop, size=size)),
        None if face is None else _within(face, crop, size),
    )


def _within(face: FaceBox, crop: Box, size: int) -> FaceBox:
    """A face box in pixels of the picture that a crop makes."""
    x, y, width, height = face
    across, down = size / crop.width, size / crop.height
    return (x - crop.left) * across, (y - crop.top) * down, width * across, height * down


def _picture(png: bytes) -> NDArray[np.uint8]:
    try:
        return np.asarray(decode_bytes(png))
    except Unusable as reason:
        raise BadInput(f"A stored image {reason} The storage is damaged.") from None


def _numbers(png: bytes) -> NDArray[Any]:
    try:
        return decode_numbers(png)[0]
    except ValueError as reason:
        raise BadInput(f"A stored map cannot be read ({reason}). The storage is damaged.") from None


def _encoded(pixels: NDArray[Any]) -> bytes:
    """As PNG; colours in the order that OpenCV wants, blue first."""
    return bytes(cv2.imencode(".png", np.ascontiguousarray(pixels))[1])


def audit_of(dataset: Dataset) -> ShortcutAudit | None:
    """The audit of a dataset, made when it was frozen; None for few images, and for an earlier version's."""
    return ShortcutAudit.of_record(dataset.audit) if dataset.audit else None


def find_dataset(session: Session, name: str) -> Dataset:
    """A dataset by its id, by at least eight digits of its content hash, or by its folder."""
    if (Path(name) / "dataset.json").is_file():
        condition = Dataset.content_hash == _content_hash(Path(name))
    elif name.isdecimal() and len(name) < 8:
        condition = Dataset.id == int(name)
    else:
        condition = Dataset.content_hash.startswith(name, autoescape=True) & (len(name) >= 8)
    dataset = session.scalar(select(Dataset).where(condition).limit(1))
    if dataset is None:
        raise NotFound(f"There is no dataset {name!r}; `cyborg dataset freeze` makes one.")
    return dataset


def _content_hash(folder: Path) -> str:
    try:
        return load_dataset(folder).id
    except DatasetError as error:
        raise BadInput(str(error)) from error
