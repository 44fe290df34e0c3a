"""Import images: decode them on all cores, store their blobs, and write their rows in batches."""

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.errors import BadInput
from app.models import FaceOrigin, Image, Label
from app.stimuli.face_search import FaceSearch
from app.stimuli.faces import require_model
from app.stimuli.manifest import Item, Refusal, opened_listing
from app.stimuli.prepare import PreparedImage, prepare
from app.storage import BlobStore
from saliency.images.unusable import Unusable

BATCH: Final = 100  # images per transaction

OnProgress = Callable[[int, int], None]
"""Called with (files done, files in all)."""


@dataclass(frozen=True, slots=True)
class IgnoredValue:
    """A field of an image that was imported before; the new import has another value, which is ignored."""

    name: str
    field: str
    stored: str
    given: str

    def __str__(self) -> str:
        stays = f"stays {self.stored}" if self.stored else "stays empty"
        return f"{self.name}: is there already; its {self.field} {stays}, {self.given} is not taken."


@dataclass(frozen=True, slots=True)
class Remark:
    """An image that was imported and that somebody should look at."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass(frozen=True, slots=True)
class ImportReport:
    imported: int
    already_there: int
    refused: tuple[Refusal, ...]
    ignored: tuple[IgnoredValue, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @property
    def usable(self) -> int:
        return self.imported + self.already_there

    def __add__(self, other: "ImportReport") -> "ImportReport":
        return ImportReport(
            self.imported + other.imported,
            self.already_there + other.already_there,
            self.refused + other.refused,
            self.ignored + other.ignored,
            self.remarks + other.remarks,
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    """A file whose blobs are stored; `row` is its row of the image table."""

    item: Item
    row: dict[str, Any]
    remark: str = ""

    @property
    def content_hash(self) -> str:
        return str(self.row["content_hash"])


def ignore_progress(done: int, total: int) -> None:
    """An `OnProgress` that does nothing."""


def import_path(
    sessions: SessionFactory,
    blobs: BlobStore,
    path: Path,
    *,
    size: int | None = None,
    faces: FaceSearch | None = None,
    on_progress: OnProgress = ignore_progress,
) -> ImportReport:
    """Import a manifest, folder or ZIP archive; `BadInput`, and nothing is written, when it is malformed."""
    with opened_listing(path) as listing:
        wanted: dict[str, Any] = {"size": size, "faces": faces, "on_progress": on_progress}
        report = import_images(sessions, blobs, listing.items, **wanted)
    return ImportReport(0, 0, listing.refused) + report


def import_images(
    sessions: SessionFactory,
    blobs: BlobStore,
    items: Sequence[Item],
    *,
    size: int | None = None,
    faces: FaceSearch | None = None,
    generated: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> ImportReport:
    """Import every item that can be used, and report why the others cannot.

    Commits every hundred images, so that an interrupted import is continued by repeating it. Images that
    were imported before are counted and do not change; values that differ from theirs are reported.

    size : side in pixels to which every picture is cut and scaled; None leaves them as they are
    faces : FIND finds the face of a picture without a box; ALIGN also frames each picture by its face and
        needs `size`
    generated : the faces were drawn by code

    Raises
    ------
    BadInput
        ALIGN without a size, or the weights that find faces are not installed.
    """
    _check_faces(faces, size)
    report, done = ImportReport(0, 0, ()), 0
    work = partial(_store, blobs=blobs, size=size, faces=faces, generated=generated)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of defects that the decoder checks or repairs
        for batch in _batches(_in_order(work, items)):
            with sessions.begin() as session:
                report += _record(session, batch)
            done += len(batch)
            on_progress(done, len(items))
    return report


def import_image(
    session: Session, blobs: BlobStore, item: Item, *, size: int | None, faces: FaceSearch | None
) -> ImportReport:
    """Import one file in the caller's transaction; parameters as for `import_images`."""
    _check_faces(faces, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of defects that the decoder checks or repairs
        return _record(session, [_store(item, blobs=blobs, size=size, faces=faces, generated=False)])


def _check_faces(faces: FaceSearch | None, size: int | None) -> None:
    if faces is not None:
        require_model()
    if faces is FaceSearch.ALIGN and size is None:
        raise BadInput("Aligned pictures need a size.")


def _in_order(
    work: Callable[[Item], _Stored | Refusal], items: Sequence[Item]
) -> Iterator[_Stored | Refusal]:
    """Results in the order of `items`. Decoders release Python's lock, so that threads use all cores."""
    threads = min(os.cpu_count() or 1, 8)
    pending: deque[Future[_Stored | Refusal]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > 4 * threads:  # bounds the pictures in memory
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _batches(results: Iterator[_Stored | Refusal]) -> Iterator[list[_Stored | Refusal]]:
    while batch := list(islice(results, BATCH)):
        yield batch


def _store(
    item: Item, *, blobs: BlobStore, size: int | None, faces: FaceSearch | None, generated: bool
) -> _Stored | Refusal:
    try:
        prepared = prepare(item, size=size, faces=faces)
    except Unusable as unusable:
        return Refusal(item.name, str(unusable))
    row = _row(item, prepared, generated=generated)
    row["content_hash"], row["display_hash"] = blobs.put(prepared.content), blobs.put(prepared.display)
    return _Stored(item, row, prepared.remark)


def _row(item: Item, prepared: PreparedImage, *, generated: bool) -> dict[str, Any]:
    face = prepared.face
    return {
        "display_bytes": len(prepared.display),
        "label": item.label,
        "source": item.source,
        "split": item.split,
        "group": item.group,
        "width": prepared.width,
        "height": prepared.height,
        "face_x": face and face.x,
        "face_y": face and face.y,
        "face_width": face and face.width,
        "face_height": face and face.height,
        "face_origin": FaceOrigin.FOUND if prepared.face_found else None,
        "original_name": item.name,
        "generated": generated,
        "file": prepared.file.as_record(),
    }


def _record(session: Session, batch: Sequence[_Stored | Refusal]) -> ImportReport:
    """Insert new images; compare the others with their rows."""
    stored = [entry for entry in batch if isinstance(entry, _Stored)]
    inserted = _insert(session, stored)
    known = _known(session, [entry.content_hash for entry in stored])
    refused: list[Refusal] = []
    ignored: list[IgnoredValue] = []
    remarks = [
        Remark(entry.item.name, entry.remark)
        for entry in stored
        if entry.remark and entry.content_hash in inserted
    ]
    for entry in batch:
        if isinstance(entry, Refusal):
            refused.append(entry)
        elif (image := known[entry.content_hash]).label is not entry.item.label:
            refused.append(_contradiction(entry.item, image.label))
        else:
            ignored += _ignored_values(entry, image)
    already_there = len(batch) - len(inserted) - len(refused)
    return ImportReport(len(inserted), already_there, tuple(refused), tuple(ignored), tuple(remarks))


def _insert(session: Session, stored: Sequence[_Stored]) -> set[str]:
    """Insert rows and return the content hashes of new images; of equal pictures the first one counts."""
    rows: dict[str, dict[str, Any]] = {}
    for entry in stored:
        rows.setdefault(entry.content_hash, entry.row)
    if not rows:
        return set()
    statement = (
        insert(Image).values(list(rows.values())).on_conflict_do_nothing(index_elements=["content_hash"])
    )
    return set(session.scalars(statement.returning(Image.content_hash)))


def _known(session: Session, hashes: Sequence[str]) -> dict[str, Image]:
    images = session.scalars(select(Image).where(Image.content_hash.in_(hashes)))
    return {image.content_hash: image for image in images}


def _ignored_values(entry: _Stored, image: Image) -> list[IgnoredValue]:
    """The values that differ from the stored ones; an empty value of the import differs from nothing."""
    stored, given = _details({name: getattr(image, name) for name in entry.row}), _details(entry.row)
    if entry.row["face_origin"] is FaceOrigin.FOUND:
        del given["face box"]  # nobody gave it
    differing = [field for field, value in given.items() if value and value != stored[field]]
    return [IgnoredValue(entry.item.name, field, stored[field], given[field]) for field in differing]


def _details(row: Mapping[str, Any]) -> dict[str, str]:
    """The fields of an image that an import may give, as text; the label is not among them."""
    face = [row[f"face_{name}"] for name in ("x", "y", "width", "height")]
    return {
        "source": row["source"],
        "split": row["split"] or "",
        "group": row["group"] or "",
        "face box": "" if None in face else ",".join(f"{value:g}" for value in face),
    }


def _contradiction(item: Item, known: Label) -> Refusal:
    return Refusal(item.name, f"is called {item.label} here, but the same picture is known as {known}.")
