"""The rows of each table of an export. Column names are those of the data dictionary."""

from sqlalchemy import Numeric, case, cast, func, select
from sqlalchemy.orm import aliased

from app.maps.queries import AnySelect
from app.models import (
    Annotation,
    Arm,
    Decision,
    Image,
    Pair,
    Participant,
    ParticipantState,
    SaliencyMap,
    Source,
    Stroke,
    Trial,
    TrialKind,
)

Real, Fake = aliased(Image), aliased(Image)

SIX_DECIMALS = Numeric(18, 6)
MEASURES = (SaliencyMap.coverage, SaliencyMap.entropy, SaliencyMap.agreement)

CORRECT = func.count(case((Decision.correct, 1)))


def participants(study_id: int) -> AnySelect:
    counted = (Trial.id == Decision.trial_id) & (Trial.kind != TrialKind.PRACTICE)
    work = (
        select(
            Trial.participant_id,
            func.count(Decision.id).label("decisions"),
            CORRECT.label("correct"),
            func.count(Annotation.id).label("annotations"),
        )
        .join(Decision, counted)
        .outerjoin(Annotation, Annotation.decision_id == Decision.id)
        .group_by(Trial.participant_id)
        .subquery()
    )
    return (
        select(
            Participant.id.label("participant"),
            (Participant.source == Source.SIMULATED).label("simulated"),
            Participant.source.label("recruited_through"),
            Arm.name.label("arm"),
            Participant.state,
            Participant.consent_version,
            Participant.consented_at,
            Participant.finished_at,
            func.coalesce(work.c.decisions, 0).label("decisions"),
            func.coalesce(work.c.correct, 0).label("correct"),
            func.coalesce(work.c.annotations, 0).label("annotations"),
            Participant.client,
        )
        .join(Arm, Arm.id == Participant.arm_id)
        .outerjoin(work, work.c.participant_id == Participant.id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.consented_at, Participant.id)
    )


def pairs(study_id: int) -> AnySelect:
    work = (
        select(Trial.pair_id, func.count(Decision.id).label("decisions"), CORRECT.label("correct"))
        .join(Decision, (Trial.id == Decision.trial_id) & (Trial.kind != TrialKind.PRACTICE))
        .group_by(Trial.pair_id)
        .subquery()
    )
    return (
        select(
            Pair.id.label("pair_id"),
            Pair.real_image_id,
            Pair.fake_image_id,
            Real.source.label("real_source"),
            Fake.source.label("fake_source"),
            func.coalesce(work.c.decisions, 0).label("decisions"),
            func.coalesce(work.c.correct, 0).label("correct"),
        )
        .join(Real, Real.id == Pair.real_image_id)
        .join(Fake, Fake.id == Pair.fake_image_id)
        .outerjoin(work, work.c.pair_id == Pair.id)
        .where(Pair.study_id == study_id)
        .order_by(Pair.id)
    )


def images(study_id: int) -> AnySelect:
    shown = (
        select(Pair.real_image_id)
        .where(Pair.study_id == study_id)
        .union(select(Pair.fake_image_id).where(Pair.study_id == study_id))
    )
    return (
        select(
            Image.id.label("image_id"),
            Image.label,
            Image.source,
            Image.split,
            Image.group,
            Image.width,
            Image.height,
            Image.face_x,
            Image.face_y,
            Image.face_width,
            Image.face_height,
            Image.generated,
            Image.original_name,
            Image.content_hash,
        )
        .where(Image.id.in_(shown))
        .order_by(Image.id)
    )


def decisions(study_id: int) -> AnySelect:
    strokes = (
        select(func.count(Stroke.position)).where(Stroke.annotation_id == Annotation.id).scalar_subquery()
    )
    return (
        select(
            Decision.id.label("decision_id"),
            Trial.id.label("trial_id"),
            Participant.id.label("participant"),
            (Participant.source == Source.SIMULATED).label("simulated"),
            Arm.name.label("arm"),
            Arm.annotate,
            Arm.advice,
            Trial.position,
            Trial.kind,
            Trial.question,
            Trial.pair_id,
            Trial.left_image_id,
            Trial.right_image_id,
            Fake.source.label("fake_source"),
            Decision.choice,
            Decision.chosen_image_id,
            Decision.correct,
            Decision.decision_ms,
            Decision.annotation_ms,
            case((Annotation.id.is_not(None), strokes)).label("strokes"),
            Trial.shown_at,
            Decision.decided_at,
        )
        .join(Trial, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Arm, Arm.id == Participant.arm_id)
        .join(Pair, Pair.id == Trial.pair_id)
        .join(Fake, Fake.id == Pair.fake_image_id)
        .outerjoin(Annotation, Annotation.decision_id == Decision.id)
        .where(Participant.study_id == study_id, Participant.state != ParticipantState.WITHDRAWN)
        .order_by(Participant.consented_at, Participant.id, Trial.position)
    )


def maps(map_set_id: int) -> AnySelect:
    return (
        select(
            SaliencyMap.image_id,
            Image.width,
            Image.height,
            SaliencyMap.annotators,
            *(cast(column, SIX_DECIMALS).label(column.key) for column in MEASURES),
        )
        .join(Image, Image.id == SaliencyMap.image_id)
        .where(SaliencyMap.map_set_id == map_set_id)
        .order_by(SaliencyMap.image_id)
    )
