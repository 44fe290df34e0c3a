"""Import a file that was sent, in the way of every other import."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.orm import Session

from app.stimuli.face_search import FaceSearch
from app.stimuli.manifest import Item
from app.stimuli.names import plain
from app.stimuli.service import ImportReport, import_image
from app.storage import BlobStore


def import_upload(
    session: Session,
    blobs: BlobStore,
    sent: BinaryIO,
    item: Item,
    *,
    size: int | None,
    faces: FaceSearch | None,
) -> ImportReport:
    """In the caller's transaction. The path and name of `item` are names alone: nothing is written there."""
    with tempfile.NamedTemporaryFile(suffix=item.path.suffix[:10]) as file:
        file.write(sent.read())
        file.flush()
        here = replace(item, path=Path(file.name), name=plain(item.name))
        return import_image(session, blobs, here, size=size, faces=faces)
