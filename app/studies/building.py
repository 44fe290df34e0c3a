"""What a description makes in the database: arms, pairs, checks, advice and quota."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.orm import Session

from app.errors import BadStudy
from app.models import Arm, Image, ImageAdvice, Pair, Question, Quota, RegionCheck, Study, TrialKind
from app.models.tallies import tally
from app.stimuli.setting_aside import HELD_OUT, shown_images
from app.storage import BlobStore
from app.studies.advice import AdviceRows, add_advice, read_advice, with_kept_maps
from app.studies.choice import StudyImages, choose_material
from app.studies.listing import NamedImages
from app.studies.memory import refuse_tell_tales
from app.studies.padding import served_bytes
from app.studies.pairing import Matched
from app.studies.schemas import StudySpec


@dataclass(frozen=True, slots=True)
class CheckedStudy:
    """A description that can be carried out, and what it shows."""

    spec: StudySpec
    """As it is stored: maps by the name that they are kept under."""
    material: StudyImages
    advice: AdviceRows


def check(session: Session, spec: StudySpec, *, blobs: BlobStore | None) -> CheckedStudy:
    """Choose what the study shows, writing nothing but maps of advice. BadStudy when it cannot be."""
    _check_known(session, spec.exclude_studies)
    listing = NamedImages(session)
    material = choose_material(session, spec, listing)
    check_pairs(material.pairs[TrialKind.MAIN], trials_per_participant=spec.trials_per_participant)
    advice = read_advice(session, spec, listing=listing, shown=material.images(), blobs=blobs)
    return CheckedStudy(with_kept_maps(spec, advice), material, advice)


def build(session: Session, study: Study, checked: CheckedStudy) -> None:
    """Write everything that the study shows; `study` is a row that has nothing yet."""
    session.add_all(
        Arm(study_id=study.id, name=arm.name, annotate=arm.annotate, advice=arm.advice)
        for arm in checked.spec.arms
    )
    session.flush()  # the quota is inserted by a statement that reads arms and pairs
    _add_pairs(session, study, checked.material)
    _refuse_set_aside(session, study)
    _add_quota(session, study)
    add_advice(session, study, checked.advice)


def build_like(session: Session, study: Study, original: Study) -> None:
    """Write what `original` shows, pair by pair, for a study that has nothing yet; places are all free."""
    for table in (Arm, Pair, RegionCheck, ImageAdvice):
        kept = [column for column in table.__table__.columns if column.name not in ("id", "study_id")]
        of_original = table.__table__.c.study_id == original.id
        # In their order, so that arms are listed alike.
        rows = select(literal(study.id), *kept).where(of_original).order_by(*table.__table__.primary_key)
        names = ["study_id", *(column.name for column in kept)]
        session.execute(insert(table).from_select(names, rows))
    _add_quota(session, study)


def extend(session: Session, study: Study, spec: StudySpec) -> None:
    """Give an open study the arms and the places of a new version; no place that is taken goes."""
    _check_known(session, spec.exclude_studies)
    check_pairs(_main_pairs(session, study), trials_per_participant=spec.trials_per_participant)
    names = set(session.scalars(select(Arm.name).where(Arm.study_id == study.id)))
    arms = select(Arm.id).where(Arm.study_id == study.id)
    if spec.judgements != study.judgements:
        wanted = func.greatest(Quota.taken, spec.judgements)
        session.execute(update(Quota).where(Quota.arm_id.in_(arms)).values(wanted=wanted))
    added = [
        Arm(study_id=study.id, name=arm.name, annotate=arm.annotate, advice=arm.advice)
        for arm in spec.arms
        if arm.name not in names
    ]
    session.add_all(added)
    session.flush()
    if added:
        _add_quota(session, study, Arm.id.in_([arm.id for arm in added]), wanted=spec.judgements)


def _main_pairs(session: Session, study: Study) -> list[Matched]:
    main = Pair.study_id == study.id, Pair.kind == TrialKind.MAIN
    rows = session.execute(select(Pair.real_image_id, Pair.fake_image_id).where(*main).order_by(Pair.id))
    return [(real, fake) for real, fake in rows]


def check_stored_pairs(session: Session, study: Study) -> None:
    """BadStudy when a participant of this draft would meet too few pairs, or a face that tells."""
    check_pairs(_main_pairs(session, study), trials_per_participant=study.trials_per_participant)


def clear(session: Session, study: Study) -> None:
    """Remove everything that a draft shows; the row of the study stays."""
    for table in (ImageAdvice, RegionCheck, Arm, Pair):  # the quota goes with its arms
        session.execute(delete(table).where(table.study_id == study.id))
    session.execute(delete(tally).where(tally.c.study_id == study.id))


def _check_known(session: Session, slugs: Sequence[str]) -> None:
    known = set(session.scalars(select(Study.slug).where(Study.slug.in_(slugs))))
    if missing := [slug for slug in slugs if slug not in known]:
        raise BadStudy(f"exclude_studies: there is no study {missing[0]}.")


def check_pairs(pairs: Sequence[Matched], *, trials_per_participant: int) -> None:
    if len(pairs) < trials_per_participant:
        raise BadStudy(
            f"trials_per_participant: {trials_per_participant} trials per participant need as many pairs, "
            f"because nobody sees a pair twice; the study has {len(pairs)}."
        )
    refuse_tell_tales(pairs, trials=trials_per_participant)


def _add_pairs(session: Session, study: Study, material: StudyImages) -> None:
    weights = dict(session.execute(select(Image.id, Image.display_bytes)).all())
    rows = [
        {
            "study_id": study.id,
            "real_image_id": real,
            "fake_image_id": fake,
            "served_bytes": served_bytes(weights[real], weights[fake]),
            "kind": kind,
        }
        for kind, pairs in material.pairs.items()
        for real, fake in pairs
    ]
    session.execute(insert(Pair), rows)
    session.add_all(
        RegionCheck(
            study_id=study.id,
            image_id=region.image.id,
            prompt=region.spec.prompt,
            region=[list(corner) for corner in region.spec.region],
            min_iou=region.spec.min_iou,
            served_bytes=served_bytes(region.image.display_bytes),
        )
        for region in material.regions
    )


def _refuse_set_aside(session: Session, study: Study) -> None:
    """Refuse an image that was set aside after it was chosen; from its pair on it can be no more."""
    session.flush()
    held = Image.id.in_(shown_images(study)) & Image.split.in_(HELD_OUT)
    if name := session.scalar(select(Image.original_name).where(held).limit(1)):
        raise BadStudy(f"{name} was set aside meanwhile and is shown to nobody; try again.")


def _add_quota(session: Session, study: Study, *arms: ColumnElement[bool], wanted: int | None = None) -> None:
    """Places of every arm, or of those for which `arms` is true."""
    questions = union_all(*(select(literal(question.value).label("asked")) for question in Question))
    each = questions.subquery()
    cells = (
        select(
            Arm.id,
            Pair.id,
            cast(each.c.asked, Quota.question.type),
            literal(wanted or study.judgements),
            literal(0),
        )
        .join(Pair, (Pair.study_id == Arm.study_id) & (Pair.kind == TrialKind.MAIN))
        .join(each, true())
        .where(Arm.study_id == study.id, *arms)
    )
    columns = ["arm_id", "pair_id", "question", "wanted", "taken"]
    session.execute(insert(Quota).from_select(columns, cells))
