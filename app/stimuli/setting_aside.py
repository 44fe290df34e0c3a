"""Change the splits of images after their import, and remove images that nothing uses.

A split may change while no frozen dataset holds the image. Only images that no study shows, in a pair or a
region check, can be set aside for `val` or `test`: detectors are tested on faces without annotations. A group
stays together. A request is carried out completely or not at all.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, CompoundSelect, any_, cast, or_, select, union
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from app.errors import BadInput, Conflict, WrongState
from app.models import DatasetImage, Image, Label, Pair, RegionCheck, Split, Study
from app.stimuli.known import KnownImages
from app.stimuli.manifest import ManifestRow, parse_rows
from app.stimuli.splits import Unsplit, assign_splits

HELD_OUT: Final = (Split.VAL, Split.TEST)
LOCK_NOT_AVAILABLE: Final = "55P03"
"""SQLSTATE of a row that another transaction has locked."""

Wanted = Mapping[int, Split | None]


@dataclass(frozen=True, slots=True)
class SplitReport:
    """Numbers of images by their new split ("" for none), and of images that had theirs already."""

    changed: Mapping[str, int]
    unchanged: int


def set_splits(session: Session, content: bytes, *, called: str) -> SplitReport:
    """Set the splits of a CSV file with the columns `path,split`; other columns of a manifest are ignored.

    `path` is the name that an image was imported under, its last part where only one image has it, or a
    content hash. BadInput or Conflict names the line of the first image that cannot have its split.

    called : the file, in errors
    """
    known = KnownImages(session)
    wanted: dict[int, Split | None] = {}
    rows: dict[int, ManifestRow] = {}
    for row in parse_rows(content, name=called, required=("path", "split")):
        image_id = _image_id(known, row)
        if wanted.setdefault(image_id, row.split) is not row.split:
            raise row.refused(f"{row['path']} has another split in {rows[image_id].where}.")
        rows.setdefault(image_id, row)
    if not wanted:
        raise BadInput(f"{called} lists no image.")
    return _set(session, wanted, {image_id: row.where for image_id, row in rows.items()})


def _image_id(known: KnownImages, row: ManifestRow) -> int:
    images = known.called(row["path"])
    if not images:
        raise row.refused(f"there is no image {row['path']}.")
    if len(images) > 1:
        raise row.refused(f"{len(images)} images are called {row['path']}; give the content hash instead.")
    return int(images[0].id)


def set_split(session: Session, image: Image, split: Split | None) -> None:
    """Change the split of one image; `WrongState` or `BadInput` says why it cannot."""
    _set(session, {image.id: split})


def remove_image(session: Session, image: Image) -> None:
    """Remove an image that nothing uses: no study, no advice, no dataset, no map.

    `WrongState`: something does. Its pixels stay in the store under their hash, where nothing names them.
    """
    _locked(session, Image.id == image.id)
    name = image.original_name
    try:
        with session.begin_nested():
            session.delete(image)
    except IntegrityError:
        study = _study_that_shows(session, image)
        why = f"is shown in the study {study}" if study else "belongs to a dataset, a map or advice"
        raise WrongState(f"{name} {why}, so it stays.") from None


def deal_splits(session: Session, *, val: float, test: float, seed: int) -> SplitReport:
    """Set aside fractions of the free images, evenly over labels and sources.

    val, test : fractions in [0, 1]; 0 sets none aside
    seed : decides which images
    `BadInput`: no image is free
    """
    free = _free(session, settled=list(Split))
    if not free:
        raise BadInput("No image is left to set aside: each has a split, or a study shows it.")
    dealt = assign_splits(map(_candidate, free), val=val, test=test, seed=seed)
    return _set(session, {image_id: Split(split) for image_id, split in dealt.items() if split != "train"})


def set_aside_unshown(session: Session, study: Study) -> int:
    """Give the free images the split `test`; returns how many there are.

    Only faces drawn by code for a study of such faces, only photographs for any other.

    `BadInput`: the test would have no real or no fake images
    """
    is_generated = session.scalar(
        select(Image.generated).join(Pair, Pair.real_image_id == Image.id).where(Pair.study_id == study.id)
    )
    free = [i for i in _free(session, settled=[Split.TRAIN, Split.VAL]) if i.generated == bool(is_generated)]
    tested = session.scalars(select(Image.label).where(Image.split == Split.TEST).distinct())
    if missing := set(Label) - {*tested, *(image.label for image in free)}:
        raise BadInput(f"A test needs both kinds, and there is no {min(missing)} image that no study shows.")
    _set(session, dict.fromkeys((image.id for image in free), Split.TEST))
    return len(free)


def shown_images(study: Study | None = None) -> CompoundSelect[int]:
    """Ids of the images in the pairs and region checks of a study, or of all."""
    studies = [] if study is None else [study.id]
    return union(
        select(Pair.real_image_id).where(*(Pair.study_id == study_id for study_id in studies)),
        select(Pair.fake_image_id).where(*(Pair.study_id == study_id for study_id in studies)),
        select(RegionCheck.image_id).where(*(RegionCheck.study_id == study_id for study_id in studies)),
    )


def _free(session: Session, *, settled: Collection[Split]) -> Sequence[Image]:
    """Images without a split that no study shows and no dataset holds, and whose group is free, too.

    settled : a group with an image of one of these splits is not free
    """
    images = _locked(session, Image.split.is_(None))
    # Read after the lock: a study made meanwhile has committed by now, or waits for the lock.
    used = set(session.scalars(shown_images())) | set(session.scalars(select(DatasetImage.image_id)))
    grouped = session.execute(select(Image.id, Image.group, Image.split).where(Image.group.is_not(None)))
    groups = {group for image_id, group, split in grouped if image_id in used or split in settled}
    return [image for image in images if image.id not in used and image.group not in groups]


def _locked(session: Session, which: ColumnElement[bool]) -> Sequence[Image]:
    """Lock images, so that no study or dataset takes them meanwhile; `Conflict` if one does already."""
    query = select(Image).where(which).order_by(Image.id).with_for_update(nowait=True)
    try:
        return session.scalars(query).all()
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE:
            raise Conflict("These images are being put into a study or a dataset; try again then.") from None
        raise


def _candidate(image: Image) -> Unsplit:
    return Unsplit(image.id, image.label, image.source, image.group, split=None)


def _set(session: Session, wanted: Wanted, where: Mapping[int, str] | None = None) -> SplitReport:
    """Change splits, or raise for the first image that cannot have its new one.

    where : for errors, the line that sets the split of an image
    """
    images = _locked(session, Image.id == any_(cast(list(wanted), ARRAY(BigInteger))))
    changing = [image for image in images if image.split is not wanted[image.id]]
    for image, reason in _obstacles(session, changing, wanted):
        raise WrongState(f"{(where or {}).get(image.id, 'images split')}: {image.original_name} {reason}")
    for image in changing:
        image.split = wanted[image.id]
    session.flush()
    _require_whole_groups(session, {image.group for image in changing if image.group})
    counts = Counter(image.split.value if image.split else "" for image in changing)
    return SplitReport(counts, len(images) - len(changing))


def _obstacles(session: Session, changing: Sequence[Image], wanted: Wanted) -> Iterator[tuple[Image, str]]:
    """The images that cannot have their new split, with the reason."""
    frozen = dict(session.execute(select(DatasetImage.image_id, DatasetImage.dataset_id)).all())
    shown_ids = set(session.scalars(shown_images()))
    for image in changing:
        if image.id in frozen:
            yield image, f"is in dataset {frozen[image.id]}; its split stays {image.split or 'empty'}."
        elif image.id in shown_ids and wanted[image.id] in HELD_OUT:
            study = _study_that_shows(session, image)
            yield image, f"is shown in the study {study}, so it cannot be set aside for {wanted[image.id]}."


def _study_that_shows(session: Session, image: Image) -> str | None:
    columns = (Pair.real_image_id, Pair.fake_image_id, RegionCheck.image_id)
    studies = select(Study.slug).outerjoin(Pair, Pair.study_id == Study.id)
    studies = studies.outerjoin(RegionCheck, RegionCheck.study_id == Study.id)
    return session.scalar(studies.where(or_(*(column == image.id for column in columns))).limit(1))


def _require_whole_groups(session: Session, groups: Collection[str]) -> None:
    splits: dict[str | None, set[Split | None]] = defaultdict(set)
    for group, split in session.execute(select(Image.group, Image.split).where(Image.group.is_not(None))):
        splits[group].add(split)
    for group in sorted(groups):
        splits_of_group = splits[group]
        if len(splits_of_group) > 1 and splits_of_group & set(HELD_OUT):
            names = " and ".join(sorted(split.value if split else "none" for split in splits_of_group))
            raise BadInput(f"The group {group} would be in several splits: {names}. A group stays together.")
