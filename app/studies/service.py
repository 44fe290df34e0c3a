"""Create, open, pause and close studies."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import cast, func, insert, literal, select, true, union_all
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import AlreadyExists, BadStudy, NotFound, WrongState, from_integrity_error
from app.models import (
    Arm,
    Image,
    Pair,
    Participant,
    Question,
    Quota,
    RegionCheck,
    Study,
    StudyState,
    TrialKind,
)
from app.storage import BlobStore
from app.studies.places import release_undecided
from app.studies.plan import visit_column

if TYPE_CHECKING:
    from app.studies.choice import StudyImages
    from app.studies.pairing import Matched
    from app.studies.schemas import StudySpec

PADDING: Final = 4096  # bytes; both images of a pair are served in the same whole number of these


def find_study(session: Session, slug: str) -> Study:
    study = session.scalar(select(Study).where(Study.slug == slug))
    if study is None:
        raise NotFound(f"There is no study called {slug!r}.")
    return study


def create_study(
    session: Session, spec: "StudySpec", *, staff_id: int | None = None, blobs: BlobStore | None = None
) -> Study:
    """A draft with everything it shows. BadStudy when it cannot be carried out.

    `blobs` is needed by a description whose model brings maps.
    """
    # Loaded when a study is made: they read files and pictures, and most commands do neither.
    from app.studies.advice import add_advice
    from app.studies.choice import choose_material
    from app.studies.listing import NamedImages

    _check_known(session, spec.exclude_studies)
    listing = NamedImages(session)
    material = choose_material(session, spec, listing)
    _check_pairs(material.pairs[TrialKind.MAIN], trials_per_participant=spec.trials_per_participant)
    study = _add_study(session, spec, staff_id=staff_id)
    session.add_all(
        Arm(study_id=study.id, name=arm.name, annotate=arm.annotate, advice=arm.advice) for arm in spec.arms
    )
    session.flush()  # the quota is inserted by a statement that reads arms and pairs
    _add_pairs(session, study, material)
    _refuse_set_aside(session, study)
    _add_quota(session, study)
    add_advice(session, study, spec, listing=listing, shown=material.images(), blobs=blobs)
    return study


def _check_known(session: Session, slugs: Sequence[str]) -> None:
    known = set(session.scalars(select(Study.slug).where(Study.slug.in_(slugs))))
    if missing := [slug for slug in slugs if slug not in known]:
        raise BadStudy(f"exclude_studies: there is no study {missing[0]}.")


def _check_pairs(pairs: Sequence["Matched"], *, trials_per_participant: int) -> None:
    if len(pairs) < trials_per_participant:
        raise BadStudy(
            f"{trials_per_participant} trials per participant need as many pairs, "
            f"because nobody sees a pair twice; the study has {len(pairs)}."
        )
    from app.studies.memory import refuse_tell_tales

    refuse_tell_tales(pairs, trials=trials_per_participant)


def _add_study(session: Session, spec: "StudySpec", *, staff_id: int | None) -> Study:
    study = Study(
        slug=spec.slug,
        title=spec.title,
        trials_per_participant=spec.trials_per_participant,
        judgements=spec.judgements,
        min_strokes=spec.annotation.min_strokes,
        min_area=spec.annotation.min_area,
        max_area=spec.annotation.max_area,
        lease=timedelta(minutes=spec.lease_minutes),
        consent=spec.consent,
        consent_version=consent_version(spec.consent),
        instructions=spec.instructions,
        completion_url=spec.completion_url,
        accepts_simulated=spec.accepts_simulated,
        debrief=spec.debrief,
        visit=visit_column(spec),
        spec=spec.model_dump(mode="json"),
        created_by=staff_id,
    )
    session.add(study)
    try:
        session.flush()
    except IntegrityError as error:
        if isinstance(from_integrity_error(error), AlreadyExists):
            raise AlreadyExists(f"There is a study {spec.slug} already.") from None
        raise
    return study


def consent_version(consent: str) -> str:
    """A short name of a consent text: another text, another name."""
    return hashlib.sha256(consent.encode()).hexdigest()[:12]


def _add_pairs(session: Session, study: Study, material: "StudyImages") -> None:
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
    from app.stimuli.setting_aside import HELD_OUT, shown_images

    session.flush()
    held = Image.id.in_(shown_images(study)) & Image.split.in_(HELD_OUT)
    if name := session.scalar(select(Image.original_name).where(held).limit(1)):
        raise BadStudy(f"{name} was set aside meanwhile and is shown to nobody; try again.")


def served_bytes(*display_bytes: int) -> int:
    """The padded size of every image of a pair: the larger one in whole paddings, and one more."""
    return -(-max(display_bytes) // PADDING) * PADDING + PADDING


def _add_quota(session: Session, study: Study) -> None:
    questions = union_all(*(select(literal(question.value).label("asked")) for question in Question))
    each = questions.subquery()
    cells = (
        select(
            Arm.id, Pair.id, cast(each.c.asked, Quota.question.type), literal(study.judgements), literal(0)
        )
        .join(Pair, (Pair.study_id == Arm.study_id) & (Pair.kind == TrialKind.MAIN))
        .join(each, true())
        .where(Arm.study_id == study.id)
    )
    columns = ["arm_id", "pair_id", "question", "wanted", "taken"]
    session.execute(insert(Quota).from_select(columns, cells))


def count_pairs(session: Session, study: Study) -> int:
    """Pairs that count; those of practice and checks come on top."""
    main = (Pair.study_id == study.id, Pair.kind == TrialKind.MAIN)
    return session.scalar(select(func.count()).where(*main)) or 0


def _main_pairs(session: Session, study: Study) -> list["Matched"]:
    main = Pair.study_id == study.id, Pair.kind == TrialKind.MAIN
    rows = session.execute(select(Pair.real_image_id, Pair.fake_image_id).where(*main).order_by(Pair.id))
    return [(real, fake) for real, fake in rows]


def open_study(session: Session, study: Study) -> Study:
    """Take participants. A draft or a paused study can be opened; of a draft the pairs are checked again."""
    _lock(session, study, "opened", StudyState.DRAFT, StudyState.PAUSED)
    if study.state is StudyState.DRAFT:
        _check_pairs(_main_pairs(session, study), trials_per_participant=study.trials_per_participant)
    study.state = StudyState.OPEN
    study.opened_at = study.opened_at or datetime.now(UTC)
    return study


def pause_study(session: Session, study: Study) -> Study:
    """Let nobody new in; whoever is in may finish."""
    _lock(session, study, "paused", StudyState.OPEN)
    study.state = StudyState.PAUSED
    return study


def close_study(session: Session, study: Study) -> Study:
    """End the study for good; what nobody has decided by then is given back."""
    _lock(session, study, "closed", StudyState.OPEN, StudyState.PAUSED)
    release_undecided(session, Participant.study_id == study.id)
    study.state = StudyState.CLOSED
    study.closed_at = datetime.now(UTC)
    return study


def _lock(session: Session, study: Study, verb: str, *states: StudyState) -> None:
    """Hold the study's row, so that its state is still this one when the transaction commits."""
    session.flush()  # refreshing would discard what is not written yet
    session.refresh(study, with_for_update=True)
    if study.state not in states:
        raise WrongState(
            f"Study {study.slug} is {study.state}; only one that is {' or '.join(states)} can be {verb}."
        )
