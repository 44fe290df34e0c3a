"""Giving images their splits after they were imported, as long as nothing rests on those that they have.

A split may change while no frozen dataset holds the image. Setting an image aside for `val` or `test` needs,
too, that no study shows it, in a pair or a region check: detectors are tested on faces that nobody's paint
has touched. A group stays together. All that is asked for is done, or nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import ARRAY, BigInteger, ColumnElement, CompoundSelect, any_, cast, or_, select, union
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.errors import BadInput, Conflict, WrongState
from app.models import DatasetImage, Image, Label, Pair, RegionCheck, Split, Study
from app.stimuli.known import KnownImages
from app.stimuli.manifest import ManifestRow, read_rows
from app.stimuli.splits import Unsplit, assign_splits

HELD_OUT: Final = (Split.VAL, Split.TEST)
LOCK_NOT_AVAILABLE: Final = "55P03"
"""PostgreSQL's word for a row that somebody else works on."""

Wanted = Mapping[int, Split | None]


@dataclass(frozen=True, slots=True)
class SplitReport:
    """How many images got which split ("" is none), and how many had theirs already."""

    changed: Mapping[str, int]
    unchanged: int


def set_splits(session: Session, path: Path) -> SplitReport:
    """Carry out a CSV file with the columns `path,split`; the other columns of a manifest are left alone.

    `path` is the name that an image was imported under, its last part where only one image has it, or a
    content hash. BadInput or Conflict names the line of the first image that cannot have its split.
    """
    known = KnownImages(session)
    wanted: dict[int, Split | None] = {}
    rows: dict[int, ManifestRow] = {}
    for row in read_rows(path, required=("path", "split")):
        image_id = _meant(known, row)
        if wanted.setdefault(image_id, row.split) is not row.split:
            raise row.refused(f"{row['path']} has another split in {rows[image_id].where}.")
        rows.setdefault(image_id, row)
    if not wanted:
        raise BadInput(f"{path} lists no image.")
    return _set(session, wanted, {image_id: row.where for image_id, row in rows.items()})


def _meant(known: KnownImages, row: ManifestRow) -> int:
    images = known.called(row["path"])
    if not images:
        raise row.refused(f"there is no image {row['path']}.")
    if len(images) > 1:
        raise row.refused(f"{len(images)} images are called {row['path']}; give the content hash instead.")
    return int(images[0].id)


def deal_splits(session: Session, *, val: float, test: float, seed: int) -> SplitReport:
    """Set aside a fraction of the images that are free, evenly over labels and sources.

    `seed` decides which; a fraction of 0 sets none aside.
    """
    free = _free(session, settled=list(Split))
    if not free:
        raise BadInput("No image is left to set aside: each has a split, or a study shows it.")
    dealt = assign_splits(map(_candidate, free), val=val, test=test, seed=seed)
    return _set(session, {image_id: Split(split) for image_id, split in dealt.items() if split != "train"})


def set_aside_unshown(session: Session, study: Study) -> int:
    """Give the split `test` to the images that are free; return how many there are.

    Faces drawn by code are set aside for studies of such faces, photographs for the others. BadInput when
    the test would be without real or without fake images.
    """
    drawn = session.scalar(
        select(Image.generated).join(Pair, Pair.real_image_id == Image.id).where(Pair.study_id == study.id)
    )
    free = [i for i in _free(session, settled=[Split.TRAIN, Split.VAL]) if i.generated == bool(drawn)]
    tested = session.scalars(select(Image.label).where(Image.split == Split.TEST).distinct())
    if missing := set(Label) - {*tested, *(image.label for image in free)}:
        raise BadInput(f"A test needs both kinds, and there is no {min(missing)} image that no study shows.")
    _set(session, dict.fromkeys((image.id for image in free), Split.TEST))
    return len(free)


def shown_images(study: Study | None = None) -> CompoundSelect[int]:
    """Ids of the images in the pairs and region checks of a study, or of all."""
    own = [] if study is None else [study.id]
    return union(
        select(Pair.real_image_id).where(*(Pair.study_id == one for one in own)),
        select(Pair.fake_image_id).where(*(Pair.study_id == one for one in own)),
        select(RegionCheck.image_id).where(*(RegionCheck.study_id == one for one in own)),
    )


def _free(session: Session, *, settled: Collection[Split]) -> Sequence[Image]:
    """Images without a split on which nothing rests, nor on another image of their group.

    settled : splits whose groups are left alone as well
    """
    images = _locked(session, Image.split.is_(None))
    # Asked after the lock: a study that was being made meanwhile is there by now, or waits.
    used = set(session.scalars(shown_images())) | set(session.scalars(select(DatasetImage.image_id)))
    grouped = session.execute(select(Image.id, Image.group, Image.split).where(Image.group.is_not(None)))
    groups = {group for image_id, group, split in grouped if image_id in used or split in settled}
    return [image for image in images if image.id not in used and image.group not in groups]


def _locked(session: Session, which: ColumnElement[bool]) -> Sequence[Image]:
    """These images, of which nobody makes pairs or datasets until this transaction ends."""
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
    """where : what errors call the line that asks for an image's split"""
    images = _locked(session, Image.id == any_(cast(list(wanted), ARRAY(BigInteger))))
    changing = [image for image in images if image.split is not wanted[image.id]]
    for image, reason in _obstacles(session, changing, wanted):
        raise WrongState(f"{(where or {}).get(image.id, 'images split')}: {image.original_name} {reason}")
    for image in changing:
        image.split = wanted[image.id]
    session.flush()
    _refuse_torn_groups(session, {image.group for image in changing if image.group})
    counts = Counter(image.split.value if image.split else "" for image in changing)
    return SplitReport(counts, len(images) - len(changing))


def _obstacles(session: Session, changing: Sequence[Image], wanted: Wanted) -> Iterator[tuple[Image, str]]:
    """The images that cannot have the split that is wanted, and why."""
    frozen = dict(session.execute(select(DatasetImage.image_id, DatasetImage.dataset_id)).all())
    shown = set(session.scalars(shown_images()))
    for image in changing:
        if image.id in frozen:
            yield image, f"is in dataset {frozen[image.id]}; its split stays {image.split or 'empty'}."
        elif image.id in shown and wanted[image.id] in HELD_OUT:
            study = _study_that_shows(session, image)
            yield image, f"is shown in the study {study}, so it cannot be set aside for {wanted[image.id]}."


def _study_that_shows(session: Session, image: Image) -> str | None:
    columns = (Pair.real_image_id, Pair.fake_image_id, RegionCheck.image_id)
    studies = select(Study.slug).outerjoin(Pair, Pair.study_id == Study.id)
    studies = studies.outerjoin(RegionCheck, RegionCheck.study_id == Study.id)
    return session.scalar(studies.where(or_(*(column == image.id for column in columns))).limit(1))


def _refuse_torn_groups(session: Session, groups: Collection[str]) -> None:
    splits: dict[str | None, set[Split | None]] = defaultdict(set)
    for group, split in session.execute(select(Image.group, Image.split).where(Image.group.is_not(None))):
        splits[group].add(split)
    for group in sorted(groups):
        found = splits[group]
        if len(found) > 1 and found & set(HELD_OUT):
            names = " and ".join(sorted(split.value if split else "none" for split in found))
            raise BadInput(f"The group {group} would be in several splits: {names}. A group stays together.")
