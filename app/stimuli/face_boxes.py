"""Face boxes of images that are imported already: find them, correct them, take them away."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
import PIL.Image
from sqlalchemy import ColumnElement, Row, Select, false, or_, select, update
from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.errors import BadInput
from app.models import FaceOrigin, Image
from app.stimuli.encode import jpeg
from app.stimuli.faces import NO_FACE, find_face, require_model
from app.stimuli.manifest import FaceBox
from app.stimuli.prepare import within
from app.stimuli.service import OnProgress, Remark, ignore_progress
from app.storage import BlobStore
from saliency.images.crop import apply_crop, face_crop
from saliency.images.unusable import Unusable

BATCH: Final = 100  # images per transaction
A_REQUEST: Final = 20
"""Images that one request searches: a second or two."""

Searched = tuple[int, FaceBox | None, str]
"""An image, its face, and what somebody should look at."""


@dataclass(frozen=True, slots=True)
class FaceReport:
    """What a search for faces came to."""

    found: int
    remarks: tuple[Remark, ...]
    """Images without a face, and images with several."""


def find_faces(
    sessions: SessionFactory,
    blobs: BlobStore,
    *,
    again: bool = False,
    on_progress: OnProgress = ignore_progress,
) -> FaceReport:
    """Find the face of every image without a box; `again` also of those that were found before.

    A box that came with the import or was corrected by hand stays. Commits every hundred images: whoever
    interrupts this repeats it. BadInput: the weights are not installed.
    """
    require_model()
    with sessions() as session:
        wanted = session.execute(_images_to_search(again=again)).all()
    done, found = 0, 0
    remarks: list[Remark] = []
    while batch := wanted[done : done + BATCH]:
        faces = _searched(blobs, batch)
        with sessions.begin() as session:
            report = _recorded(session, faces, again=again)
        found += report.found
        remarks += report.remarks
        done += len(batch)
        on_progress(done, len(wanted))
    return FaceReport(found, tuple(remarks))


def find_box(blobs: BlobStore, display_hash: str) -> tuple[FaceBox | None, str]:
    """The box of the largest face of a stored picture, and what somebody should look at."""
    with PIL.Image.open(BytesIO(blobs.get(display_hash))) as file:
        picture = file.convert("RGB")
    found = find_face(picture)
    if found is None:
        return None, NO_FACE
    return within(found.box, picture.width, picture.height), found.remark


def find_again(blobs: BlobStore, image: Image) -> tuple[FaceBox | None, str]:
    """Find the face on an image, in place of the box that it has; without a face that one stays.

    Returns what `find_box` does. BadInput: the weights are not installed.
    """
    require_model()
    box, remark = find_box(blobs, image.display_hash)
    if box is not None:
        set_box(image, box, origin=FaceOrigin.FOUND)
    return box, remark


def set_box(image: Image, box: FaceBox | None, *, origin: FaceOrigin | None) -> None:
    """Give an image another face box, cut at its edges, or none.

    Datasets that are frozen keep the crops that they have. BadInput: the box does not meet the picture.
    """
    try:
        face = within(box, image.width, image.height)
    except Unusable:
        raise BadInput(f"The box lies outside of the {image.width}×{image.height} picture.") from None
    image.face_x, image.face_y = (face.x, face.y) if face else (None, None)
    image.face_width, image.face_height = (face.width, face.height) if face else (None, None)
    image.face_origin = origin if face else None


def crop_preview(data: bytes, box: FaceBox | None) -> bytes:
    """JPEG of what a dataset keeps of a picture with or without a face. BadInput: the box is outside."""
    with PIL.Image.open(BytesIO(data)) as file:
        picture = np.asarray(file.convert("RGB"))
    height, width = picture.shape[:2]
    edges = (box.x, box.y, box.width, box.height) if box else None
    try:
        crop = face_crop(edges, width=width, height=height)
    except ValueError:
        raise BadInput(f"The box lies outside of the {width}×{height} picture.") from None
    return jpeg(PIL.Image.fromarray(apply_crop(picture, crop)))


def find_next_faces(
    session: Session, blobs: BlobStore, *, after: int, again: bool = False
) -> tuple[FaceReport, int | None]:
    """As `find_faces`, of the next few images behind the number `after`, in the caller's transaction.

    Returns what came of it and the number of the last image that was searched, None after the last of all.
    """
    require_model()
    behind = _images_to_search(again=again).where(Image.id > after)
    wanted = session.execute(behind.limit(A_REQUEST + 1)).all()
    report = _recorded(session, _searched(blobs, wanted[:A_REQUEST]), again=again)
    return report, wanted[A_REQUEST - 1].id if len(wanted) > A_REQUEST else None


def _searched(blobs: BlobStore, wanted: Sequence[Row[int, str]]) -> list[Searched]:
    return [(image_id, *find_box(blobs, display_hash)) for image_id, display_hash in wanted]


def _recorded(session: Session, faces: Sequence[Searched], *, again: bool) -> FaceReport:
    found = sum(
        box is not None and _record(session, image_id, box, again=again) for image_id, box, _ in faces
    )
    return FaceReport(
        found, tuple(Remark(f"image {image_id}", remark) for image_id, _, remark in faces if remark)
    )


def _images_to_search(*, again: bool) -> Select[int, str]:
    return select(Image.id, Image.display_hash).where(_open_to_search(again=again)).order_by(Image.id)


def _open_to_search(*, again: bool) -> ColumnElement[bool]:
    return or_(Image.face_x.is_(None), Image.face_origin == FaceOrigin.FOUND if again else false())


def _record(session: Session, image_id: int, box: FaceBox, *, again: bool) -> bool:
    """Whether the box was taken: it is not when somebody has drawn one in the meantime."""
    statement = (
        update(Image)
        .where(Image.id == image_id, _open_to_search(again=again))
        .values(
            face_x=box.x,
            face_y=box.y,
            face_width=box.width,
            face_height=box.height,
            face_origin=FaceOrigin.FOUND,
        )
    )
    return session.execute(statement.returning(Image.id)).first() is not None
