"""A study as files: into a folder, or one at a time to whoever downloads them."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import AnySelect, streamed
from app.errors import AlreadyExists
from app.exports import croissant, dictionary, masks, parquet, queries
from app.exports.annotations import annotation_lines
from app.exports.archives import SUMS, Chunks, ExportMember, archive, summing, with_sums
from app.exports.cells import csv_chunks, json_default
from app.exports.contents import PLAIN, Contents, Layout
from app.exports.dictionary import ExportFile
from app.exports.facts import DatasetFacts, citation, facts_of
from app.exports.layouts import as_image_folder, as_psych_ds
from app.maps.service import newest_map_set
from app.models import Arm, ImageAdvice, MapSet, Participant, Source, Study, StudyVersion
from app.storage import BlobStore
from app.studies.frozen_plan import PAID_BY, frozen_document
from app.studies.toml import description_of
from app.studies.versions import stored_versions
from saliency.maps.png import decode_map_png

Progress = Callable[[str], None]


def export_study(
    session: Session,
    blobs: BlobStore,
    study: Study,
    out_dir: Path,
    *,
    contents: Contents = PLAIN,
    on_file: Progress = lambda _name: None,
) -> None:
    """Write the whole export into `out_dir`, which must not exist or be empty, in one move."""
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise AlreadyExists(f"{out_dir} exists already; an export is never written over another.")
    draft = out_dir.with_name(f".{out_dir.name}.{uuid4().hex[:8]}.partial")
    try:
        for member in members(session, blobs, study, contents):
            _write(draft / member.name, member.chunks)
            on_file(member.name)
        draft.replace(out_dir)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(path: Path, chunks: Chunks) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.writelines(chunks)


def zipped(session: Session, blobs: BlobStore, study: Study, contents: Contents = PLAIN) -> Chunks:
    """The whole export as a ZIP archive, piece by piece; the same data give the same bytes."""
    return archive(members(session, blobs, study, contents), folder=study.slug)


def members(
    session: Session, blobs: BlobStore, study: Study, contents: Contents = PLAIN
) -> Iterator[ExportMember]:
    """Every file of an export, in a fixed order, and their sums at the end."""
    facts = facts_of(session, study, contents)
    match contents.layout:
        case Layout.PLAIN:
            return _plain(_members(session, blobs, study, contents, facts), facts)
        case Layout.PSYCH_DS:
            described = {file.name: file for file in dictionary.FILES}
            files = _members(session, blobs, study, contents, facts)
            return with_sums(as_psych_ds(facts, files, described))
        case Layout.IMAGE_FOLDER:
            map_set = newest_map_set(session, study)
            map_set_id = None if map_set is None else map_set.id
            files = as_image_folder(session, study, facts, map_set_id=map_set_id, picture=blobs.get)
            return with_sums(chain(files, [_citation(facts)]))


def _plain(files: Iterator[ExportMember], facts: DatasetFacts) -> Iterator[ExportMember]:
    """The files, then what describes them all by their sums."""
    with summing() as sums:
        yield from sums.of(files)
        description = croissant.croissant(facts, sums.described)
        yield from sums.of([ExportMember(croissant.NAME, iter([description]))])
        yield ExportMember(SUMS, sums.text())


def _citation(facts: DatasetFacts) -> ExportMember:
    return ExportMember("CITATION.cff", iter([citation(facts)]))


def _members(
    session: Session, blobs: BlobStore, study: Study, contents: Contents, facts: DatasetFacts
) -> Iterator[ExportMember]:
    map_set = newest_map_set(session, study)
    yield ExportMember("README.md", iter([readme(study).encode()]))
    yield _citation(facts)
    yield ExportMember(dictionary.STUDY.name, iter([study_json(session, study, map_set)]))
    if plan := frozen_document(session, study):
        yield ExportMember("plan.json", iter([plan]))
    for member, as_parquet in _tables(session, study, map_set):
        yield member
        if contents.parquet:
            yield as_parquet
    yield from _masks(session, study, contents)
    if map_set is not None:
        yield from map_files(session, blobs, map_set, npy=contents.npy)
    if contents.images:
        yield from image_files(session, blobs, study)


def _tables(
    session: Session, study: Study, map_set: MapSet | None
) -> Iterator[tuple[ExportMember, ExportMember]]:
    """Each table and each file of annotations, as text and as Parquet."""
    queried = [(file, query(study.id)) for file, query in TABLES]
    if map_set is not None:
        queried.append((dictionary.MAPS, queries.maps(map_set.id)))
    for file, query in queried:
        yield _both(file, table(session, file, query), parquet.table(session, file, query))
    for file, counting in ANNOTATION_FILES:
        wanted: dict[str, Any] = {"file": file, "counting": counting}
        lines = annotation_lines(session, study.id, **wanted)
        yield _both(file, lines, parquet.annotations(session, study.id, **wanted))


def _both(file: ExportFile, text: Chunks, as_parquet: Chunks) -> tuple[ExportMember, ExportMember]:
    return ExportMember(file.name, text), ExportMember(f"{Path(file.name).stem}.parquet", as_parquet)


def _masks(session: Session, study: Study, contents: Contents) -> Iterator[ExportMember]:
    if contents.coco:
        shown = streamed(session, queries.images(study.id))
        yield ExportMember(masks.COCO, masks.coco_chunks(session, study.id, shown))
    if contents.masks:
        yield from masks.mask_files(session, study.id)


ANNOTATION_FILES: Final = ((dictionary.ANNOTATIONS, True), (dictionary.OTHER_ANNOTATIONS, False))


TABLES: Final[Sequence[tuple[ExportFile, Callable[[int], AnySelect]]]] = (
    (dictionary.PARTICIPANTS, queries.participants),
    (dictionary.PAIRS, queries.pairs),
    (dictionary.IMAGES, queries.images),
    (dictionary.REGION_CHECKS, queries.region_checks),
    (dictionary.ADVICE, queries.advice),
    (dictionary.DECISIONS, queries.decisions),
    (dictionary.EVENTS, queries.events),
    (dictionary.FLAGS, queries.flags),
    (dictionary.QUIZ, queries.quiz),
    (dictionary.ANSWERS, queries.answers),
    (dictionary.DEVICES, queries.devices),
)


def readme(study: Study) -> str:
    pilot = f", a pilot of {study.pilot_of}" if study.is_pilot else ""
    return dictionary.markdown(f"{study.title} ({study.slug}{pilot}): data dictionary")


def study_json(session: Session, study: Study, map_set: MapSet | None) -> bytes:
    arms = session.scalars(select(Arm).where(Arm.study_id == study.id).order_by(Arm.id))
    simulated = select(func.count()).where(
        Participant.study_id == study.id, Participant.source == Source.SIMULATED
    )
    computed = {
        "study": study.slug,
        "arms": [{"name": arm.name, "annotate": arm.annotate, "advice": arm.advice} for arm in arms],
        "map_set": map_set and _map_set_json(map_set),
        "simulated_participants": session.scalar(simulated),
        "lease_minutes": study.lease / timedelta(minutes=1),
        "versions": [_version_json(version) for version in stored_versions(session, study)],
        "visit": _without_codes(study.visit),
        "description": _without_codes(description_of(session, study)),
    }
    document = {name: computed.get(name, getattr(study, name, None)) for name in dictionary.STUDY.names}
    return (json.dumps(document, indent=1, ensure_ascii=False, default=json_default) + "\n").encode()


def _version_json(version: StudyVersion) -> dict[str, Any]:
    told = {name: getattr(version, name) for name in ("number", "made_at", "reason")}
    return told | {"description": _without_codes(version.spec)}


def _without_codes(said: Mapping[str, Any]) -> dict[str, Any]:
    """Without what people are paid by."""
    return {name: value for name, value in said.items() if name not in PAID_BY}


def _map_set_json(map_set: MapSet) -> dict[str, Any]:
    names = ("version", "parameters", "inputs_hash", "annotations")
    return {name: getattr(map_set, name) for name in names}


def table(session: Session, file: ExportFile, query: AnySelect) -> Chunks:
    """The rows of a query as CSV."""
    yield from csv_chunks(file.names, (row._mapping.values() for row in streamed(session, query)))


def map_files(
    session: Session, blobs: BlobStore, map_set: MapSet, *, npy: bool = False
) -> Iterator[ExportMember]:
    """`maps/<image_id>.png`, and with `npy` the same values as `maps/<image_id>.npy`."""
    for image_id, blob in streamed(session, queries.map_blobs(map_set.id)):
        png = blobs.get(blob)
        yield ExportMember(f"maps/{image_id}.png", iter([png]))
        if npy:
            yield ExportMember(f"maps/{image_id}.npy", iter([npy_of(png)]))


def npy_of(png: bytes) -> bytes:
    """A map as a NumPy file: (height, width) float32 in [0, 1]."""
    out = BytesIO()
    np.save(out, decode_map_png(png), allow_pickle=False)
    return out.getvalue()


def image_files(session: Session, blobs: BlobStore, study: Study) -> Iterator[ExportMember]:
    """`images/<image_id>.png`, and `advice/<image_id>.png` where a model has a heat map of it."""
    for image in streamed(session, queries.images(study.id)):
        yield ExportMember(f"images/{image.image_id}.png", iter([blobs.get(image.content_hash)]))
    heat_maps = (
        select(ImageAdvice.image_id, ImageAdvice.map_hash)
        .where(ImageAdvice.study_id == study.id, ImageAdvice.map_hash.is_not(None))
        .order_by(ImageAdvice.image_id)
    )
    for image_id, blob in streamed(session, heat_maps):
        yield ExportMember(f"advice/{image_id}.png", iter([blobs.get(str(blob))]))
