"""Audit images for shortcuts: of an import, of a study, or all. `accuracy.shortcuts` has the numbers."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import numpy as np
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from accuracy.shortcuts.audit import AuditedImage, ShortcutAudit, audit, positions_looked_at
from accuracy.shortcuts.features import file_features, pixel_features
from accuracy.statistics.intervals import Floats
from app.models import Image, Label, Pair, Study, TrialKind
from app.stimuli.manifest import Item
from app.stimuli.service import OnProgress, ignore_progress
from app.storage import BlobStore
from saliency.images.crop import FaceBox
from saliency.images.decoder import decode_bytes, read_pixels
from saliency.images.file_facts import FileFacts, read_file_facts
from saliency.images.unusable import Unusable

THREADS: Final = 8
Source = TypeVar("Source", Item, Image)
Features = Mapping[str, Floats]


def audit_items(items: Sequence[Item], *, on_progress: OnProgress = ignore_progress) -> ShortcutAudit | None:
    """Audit files as they are, before anything is imported; those that cannot be used are left out.

    None for too few images, as of the other functions here.
    """
    chosen = looked_at(items)
    found = (one for one in _in_threads(_of_item, chosen, on_progress) if one is not None)
    return audit(list(found), of=len(items))


def audit_files(session: Session) -> ShortcutAudit | None:
    """Audit all imported images by what their files were, without reading a picture."""
    images = session.scalars(select(Image).where(imported()).order_by(Image.id)).all()
    return audit([audited(image, {}) for image in looked_at(images)], of=len(images))


def audit_stored(
    session: Session,
    blobs: BlobStore,
    wanted: ColumnElement[bool],
    *,
    on_progress: OnProgress = ignore_progress,
) -> ShortcutAudit | None:
    """Audit imported images by what their files were and by their stored pictures.

    wanted : which images
    """
    images = session.scalars(select(Image).where(wanted).order_by(Image.id)).all()

    def measured(image: Image) -> AuditedImage:
        picture = np.asarray(decode_bytes(blobs.get(image.content_hash)))
        return audited(image, pixel_features(picture, face_of(image)))

    return audit(list(_in_threads(measured, looked_at(images), on_progress)), of=len(images))


def imported() -> ColumnElement[bool]:
    """All imported images but those that code drew, and those whose files are not known."""
    return Image.file.is_not(None) & Image.generated.is_(False)


def fingerprint(session: Session, wanted: ColumnElement[bool]) -> dict[str, Any]:
    """How many images there are, and a number that changes with any of them and what is audited of it."""
    box = (Image.face_x, Image.face_y, Image.face_width, Image.face_height)
    audited = func.concat_ws("|", Image.id, Image.label, Image.source, Image.group, *box)
    total = func.sum(func.hashtextextended(audited, 0))
    count, number = session.execute(select(func.count(), total).where(wanted)).one()
    return {"images": count, "number": str(number or 0)}


def shown_in(study: Study) -> ColumnElement[bool]:
    """The images of a study's main pairs."""
    main = (Pair.study_id == study.id) & (Pair.kind == TrialKind.MAIN)
    shown = select(Pair.real_image_id).where(main).union(select(Pair.fake_image_id).where(main))
    return Image.id.in_(shown)


def audited(image: Image, measured: Features) -> AuditedImage:
    """An image with what its picture told, and what its file was where that is known."""
    of_file = file_features(FileFacts.of_record(image.file)) if image.file else {}
    return AuditedImage(str(image.id), _is_fake(image), image.source, {**of_file, **measured}, image.group)


def looked_at(images: Sequence[Source]) -> list[Source]:
    """The images that an audit looks at: all, or a sample of many."""
    keys = [image.name if isinstance(image, Item) else str(image.id) for image in images]
    return [images[at] for at in positions_looked_at(keys, [_is_fake(image) for image in images])]


def face_of(image: Image) -> FaceBox | None:
    """The face box in pixels of the stored picture."""
    x, y, width, height = image.face_x, image.face_y, image.face_width, image.face_height
    if x is None or y is None or width is None or height is None:
        return None
    return x, y, width, height


def _of_item(item: Item) -> AuditedImage | None:
    try:
        picture, facts = read_pixels(item.path), read_file_facts(item.path)
    except Unusable:
        return None
    face = (item.face.x, item.face.y, item.face.width, item.face.height) if item.face else None
    features = file_features(facts) | pixel_features(picture, face)
    return AuditedImage(item.name, _is_fake(item), item.source, features, item.group)


def _is_fake(image: Item | Image) -> bool:
    return image.label is Label.FAKE


Found = TypeVar("Found")


def _in_threads(
    work: Callable[[Source], Found], images: Sequence[Source], on_progress: OnProgress
) -> Iterator[Found]:
    """Results in order. Decoders release Python's lock, so that threads use all cores."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, THREADS)) as pool:
        try:
            for done, found in enumerate(pool.map(work, images), start=1):
                on_progress(done, len(images))
                yield found
        finally:
            pool.shutdown(cancel_futures=True)  # who aborts it waits for none of the others
