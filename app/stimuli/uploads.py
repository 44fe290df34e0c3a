"""Import a file that was sent, in the way of every other import."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.orm import Session

from app.models import Label, Split
from app.stimuli.face_search import FaceSearch
from app.stimuli.manifest import FaceBox, Item
from app.stimuli.names import plain
from app.stimuli.service import ImportReport, import_image
from app.storage import BlobStore


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent, and what a manifest would say of it."""

    file: BinaryIO
    name: str
    label: Label
    source: str
    split: Split | None = None
    group: str | None = None
    face: FaceBox | None = None


def import_upload(
    session: Session, blobs: BlobStore, sent: Upload, *, size: int | None, faces: FaceSearch | None
) -> ImportReport:
    """In the caller's transaction. Its name is a name alone: nothing is written where it might point."""
    with tempfile.NamedTemporaryFile(suffix=Path(sent.name).suffix[:10]) as file:
        file.write(sent.file.read())
        file.flush()
        item = Item(
            *(Path(file.name), plain(sent.name), sent.label, sent.source, sent.split, sent.group, sent.face)
        )
        return import_image(session, blobs, item, size=size, faces=faces)
