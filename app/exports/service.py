"""A study as files: into a folder, or one at a time to whoever downloads them."""

import csv
import enum
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import AnySelect, streamed
from app.errors import AlreadyExists
from app.exports import dictionary, queries
from app.exports.annotations import annotation_lines, time_text
from app.exports.dictionary import ExportFile
from app.maps.service import newest_map_set
from app.models import Arm, MapSet, Participant, SaliencyMap, Source, Study
from app.storage import BlobStore
from saliency.files.spreadsheets import cell

CHUNK_BYTES: Final = 1 << 16

Chunks = Iterator[bytes]
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExportMember:
    """One file of an export; `chunks` is read once, in order."""

    name: str
    chunks: Chunks


def export_study(
    session: Session,
    blobs: BlobStore,
    study: Study,
    out_dir: Path,
    *,
    on_file: Progress = lambda _name: None,
) -> None:
    """Write the whole export into `out_dir`, which must not exist or be empty, in one move."""
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise AlreadyExists(f"{out_dir} exists already; an export is never written over another.")
    draft = out_dir.with_name(f".{out_dir.name}.{uuid4().hex[:8]}.partial")
    try:
        for member in members(session, blobs, study):
            _write(draft / member.name, member.chunks)
            on_file(member.name)
        draft.replace(out_dir)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(path: Path, chunks: Chunks) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        stream.writelines(chunks)


def zipped(session: Session, blobs: BlobStore, study: Study) -> Chunks:
    """The whole export as a ZIP archive, piece by piece; the same data give the same bytes."""
    return archive(members(session, blobs, study), folder=study.slug)


def archive(files: Iterable[ExportMember], *, folder: str) -> Chunks:
    """A ZIP archive of files in one folder, piece by piece."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as into:
        for member in files:
            entry = zipfile.ZipInfo(f"{folder}/{member.name}")
            entry.compress_type = zipfile.ZIP_STORED if _is_png(member.name) else zipfile.ZIP_DEFLATED
            with into.open(entry, "w", force_zip64=True) as stream:
                for chunk in member.chunks:
                    stream.write(chunk)
                    yield from sink.drained()
    yield from sink.drained()


def _is_png(name: str) -> bool:
    return name.endswith(".png")


class _Sink(io.RawIOBase):
    """Holds what a ZIP writer writes until it is taken; it cannot seek, so nothing is written twice."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def drained(self) -> Chunks:
        if self._held:
            yield bytes(self._held)
            self._held.clear()


def members(session: Session, blobs: BlobStore, study: Study) -> Iterator[ExportMember]:
    """Every file of an export, in a fixed order."""
    map_set = newest_map_set(session, study)
    yield ExportMember("README.md", iter([readme(study).encode()]))
    yield ExportMember(dictionary.STUDY.name, iter([study_json(session, study, map_set)]))
    for file, query in TABLES:
        yield ExportMember(file.name, table(session, file, query(study.id)))
    for file, counting in ((dictionary.ANNOTATIONS, True), (dictionary.OTHER_ANNOTATIONS, False)):
        yield ExportMember(file.name, annotation_lines(session, study.id, file=file, counting=counting))
    if map_set is not None:
        yield ExportMember(dictionary.MAPS.name, table(session, dictionary.MAPS, queries.maps(map_set.id)))
        yield from map_files(session, blobs, map_set)


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
    return dictionary.markdown(f"{study.title} ({study.slug}): data dictionary")


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
    }
    document = {name: computed.get(name, getattr(study, name, None)) for name in dictionary.STUDY.names}
    return (json.dumps(document, indent=1, ensure_ascii=False, default=_plain) + "\n").encode()


def _map_set_json(map_set: MapSet) -> dict[str, Any]:
    names = ("version", "parameters", "inputs_hash", "annotations")
    return {name: getattr(map_set, name) for name in names}


def table(session: Session, file: ExportFile, query: AnySelect) -> Chunks:
    """The rows of a query as CSV."""
    yield from _csv(file.names, (row._mapping.values() for row in streamed(session, query)))


def _csv(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> Chunks:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        if text.tell() > CHUNK_BYTES:
            yield _taken(text)
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    content = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return content


def _cell(value: Any) -> Any:
    """A value as a CSV file has it: some texts are strangers', and a program may take one for a formula."""
    plain = _plain(value)
    return cell(plain) if isinstance(plain, str) else plain


def _plain(value: Any) -> Any:
    """A value as the files have it; None stays None, which CSV writes as an empty cell."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return time_text(value)
        case enum.StrEnum():
            return value.value
        case list():
            return " ".join(map(str, value))
        case dict():
            return json.dumps(_facts(value), sort_keys=True)
        case _:
            return value


def _facts(client: dict[str, Any]) -> dict[str, Any]:
    """Numbers and yes/no; a text could name its author."""
    return {key: value for key, value in client.items() if isinstance(value, int | float)}


def map_files(session: Session, blobs: BlobStore, map_set: MapSet) -> Iterator[ExportMember]:
    query = (
        select(SaliencyMap.image_id, SaliencyMap.blob_hash)
        .where(SaliencyMap.map_set_id == map_set.id)
        .order_by(SaliencyMap.image_id)
    )
    for image_id, blob in session.execute(query):
        yield ExportMember(f"maps/{image_id}.png", iter([blobs.get(blob)]))
