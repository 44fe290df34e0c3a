"""The rows of each table of an export. Column names are those of the data dictionary."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Numeric,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import aliased

from app.db import AnySelect
from app.models import (
    Annotation,
    Arm,
    Decision,
    Image,
    ImageAdvice,
    Pair,
    Participant,
    ParticipantState,
    QualityFlag,
    QuizAttempt,
    RegionCheck,
    SaliencyMap,
    Source,
    Split,
    Stroke,
    Trial,
    TrialKind,
    is_counted,
    is_judgement,
    is_pilot,
)
from app.trials.events import events_of_decision, interruptions, json_number

Real, Fake = aliased(Image), aliased(Image)

SIX_DECIMALS = Numeric(18, 6)
MEASURES = (SaliencyMap.coverage, SaliencyMap.entropy, SaliencyMap.agreement)

CORRECT = func.count(case((Decision.correct, 1)))


def _who(study_id: int) -> tuple[ColumnElement[Any], ...]:
    """The columns with which each row about a participant begins."""
    return Participant.id.label("participant"), *_origin(study_id)


def _origin(study_id: int) -> tuple[ColumnElement[Any], ...]:
    simulated = (Participant.source == Source.SIMULATED).label("simulated")
    return simulated, is_pilot(study_id).label("pilot")


def participants(study_id: int) -> AnySelect:
    main, check = Trial.kind == TrialKind.MAIN, Trial.kind == TrialKind.CHECK
    work = (
        select(
            Trial.participant_id,
            func.count(Decision.id).filter(main).label("decisions"),
            func.count(Decision.id).filter(main, Decision.correct).label("correct_decisions"),
            func.count(Annotation.id).filter(main).label("annotations"),
            func.count(Decision.id).filter(check).label("checks"),
            func.count(Decision.id).filter(check, ~Decision.correct).label("checks_failed"),
        )
        .join(Decision, Trial.id == Decision.trial_id)
        .outerjoin(Annotation, Annotation.decision_id == Decision.id)
        .group_by(Trial.participant_id)
        .subquery()
    )
    attempts = select(func.count()).where(QuizAttempt.participant_id == Participant.id).scalar_subquery()
    return (
        select(
            *_who(study_id),
            Participant.study_version,
            Participant.source.label("recruited_through"),
            Arm.name.label("arm"),
            Participant.state,
            Participant.consent_version,
            Participant.consented_at,
            Participant.finished_at,
            Participant.screened_out_at,
            Participant.screened_out_by,
            Participant.excluded_at,
            Participant.exclusion,
            attempts.label("quiz_attempts"),
            Participant.pastes,
            Participant.drops,
            func.coalesce(work.c.decisions, 0).label("decisions"),
            func.coalesce(work.c.correct_decisions, 0).label("correct_decisions"),
            func.coalesce(work.c.annotations, 0).label("annotations"),
            func.coalesce(work.c.checks, 0).label("checks"),
            func.coalesce(work.c.checks_failed, 0).label("checks_failed"),
            Participant.client,
        )
        .join(Arm, Arm.id == Participant.arm_id)
        .outerjoin(work, work.c.participant_id == Participant.id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.consented_at, Participant.id)
    )


def pairs(study_id: int) -> AnySelect:
    work = (
        select(Trial.pair_id, func.count(Decision.id).label("decisions"), CORRECT.label("correct_decisions"))
        .join(Decision, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .where(Participant.study_id == study_id, is_counted())
        .group_by(Trial.pair_id)
        .subquery()
    )
    return (
        select(
            Pair.id.label("pair_id"),
            Pair.kind,
            Pair.real_image_id,
            Pair.fake_image_id,
            Real.source.label("real_source"),
            Fake.source.label("fake_source"),
            func.coalesce(work.c.decisions, 0).label("decisions"),
            func.coalesce(work.c.correct_decisions, 0).label("correct_decisions"),
        )
        .join(Real, Real.id == Pair.real_image_id)
        .join(Fake, Fake.id == Pair.fake_image_id)
        .outerjoin(work, work.c.pair_id == Pair.id)
        .where(Pair.study_id == study_id)
        .order_by(Pair.id)
    )


def region_checks(study_id: int) -> AnySelect:
    return (
        select(
            RegionCheck.id.label("region_check_id"),
            RegionCheck.image_id,
            RegionCheck.prompt,
            cast(RegionCheck.region, Text).label("region"),
            RegionCheck.min_iou,
        )
        .where(RegionCheck.study_id == study_id)
        .order_by(RegionCheck.id)
    )


def advice(study_id: int) -> AnySelect:
    has_map = ImageAdvice.map_hash.is_not(None).label("has_map")
    return (
        select(ImageAdvice.image_id, ImageAdvice.score, has_map)
        .where(ImageAdvice.study_id == study_id)
        .order_by(ImageAdvice.image_id)
    )


def quiz(study_id: int) -> AnySelect:
    return (
        select(
            *_who(study_id),
            QuizAttempt.number,
            (func.jsonb_array_length(QuizAttempt.wrong) == 0).label("passed"),
            QuizAttempt.wrong,
            QuizAttempt.answers,
            QuizAttempt.attempted_at,
        )
        .join(Participant, Participant.id == QuizAttempt.participant_id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.consented_at, Participant.id, QuizAttempt.number)
    )


def answers(study_id: int) -> AnySelect:
    given = func.jsonb_each_text(Participant.answers).table_valued("key", "value")
    return (
        select(
            *_who(study_id),
            given.c.key.label("question_id"),
            given.c.value.label("answer"),
            Participant.answered_at,
        )
        .join(given, true())
        .where(Participant.study_id == study_id)
        .order_by(Participant.consented_at, Participant.id, given.c.key)
    )


def devices(study_id: int) -> AnySelect:
    device = Participant.device
    sizes = (json_number(device, name).label(f"window_{name}") for name in ("width", "height"))
    ratio = json_number(device, "pixel_ratio").label("pixel_ratio")
    pointer = device["pointer"].astext.label("pointer")
    facts = (cast(device[name], Boolean).label(name) for name in ("touch", "images_load", "passed"))
    return (
        select(*_who(study_id), *sizes, ratio, pointer, *facts)
        .where(Participant.study_id == study_id, device.is_not(None))
        .order_by(Participant.consented_at, Participant.id)
    )


def images(study_id: int) -> AnySelect:
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
        .where(_is_shown(study_id))
        .order_by(Image.id)
    )


def _is_shown(study_id: int) -> ColumnElement[bool]:
    shown = (
        select(Pair.real_image_id)
        .where(Pair.study_id == study_id)
        .union(
            select(Pair.fake_image_id).where(Pair.study_id == study_id),
            select(RegionCheck.image_id).where(RegionCheck.study_id == study_id),
        )
    )
    return Image.id.in_(shown)


def splits(study_id: int) -> Select[Split | None]:
    """The splits of the images of a study, each once; None is one of them."""
    return select(Image.split).where(_is_shown(study_id)).distinct()


def images_with_maps(study_id: int, map_set_id: int | None, splits: Sequence[Split | None]) -> AnySelect:
    """The images of some splits, each with the numbers and the blob of its map; None where it has none."""
    is_its_map = and_(SaliencyMap.image_id == Image.id, SaliencyMap.map_set_id == map_set_id)
    return (
        images(study_id)
        .add_columns(SaliencyMap.blob_hash, SaliencyMap.annotators, *_measures())
        .outerjoin(SaliencyMap, is_its_map)
        .where(or_(*(Image.split.is_not_distinct_from(split) for split in splits)))
    )


def _measures() -> Iterator[ColumnElement[Any]]:
    return (cast(column, SIX_DECIMALS).label(column.key) for column in MEASURES)


def _without(event: ColumnElement[Any], *names: str) -> ColumnElement[Any]:
    return event.op("-", return_type=JSONB())(cast(names, ARRAY(Text)))


def events(study_id: int) -> AnySelect:
    event = events_of_decision()
    return (
        select(
            Decision.id.label("decision_id"),
            *_origin(study_id),
            event.c.number,
            event.c.event["kind"].astext.label("kind"),
            json_number(event.c.event, "t_ms").label("t_ms"),
            cast(_without(event.c.event, "kind", "t_ms"), Text).label("detail"),
        )
        .select_from(Decision)
        .join(Trial, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(event, true())
        .where(Participant.study_id == study_id, Participant.state != ParticipantState.WITHDRAWN)
        .order_by(Participant.consented_at, Participant.id, Trial.position, event.c.number)
    )


def flags(study_id: int) -> AnySelect:
    return (
        select(
            *_who(study_id),
            QualityFlag.kind,
            QualityFlag.trial_id,
            cast(QualityFlag.detail, Text).label("detail"),
            QualityFlag.raised_at,
        )
        .join(Participant, Participant.id == QualityFlag.participant_id)
        .where(Participant.study_id == study_id)
        .order_by(Participant.consented_at, Participant.id, QualityFlag.id)
    )


def decisions(study_id: int) -> AnySelect:
    strokes = (
        select(func.count(Stroke.position)).where(Stroke.annotation_id == Annotation.id).scalar_subquery()
    )
    return (
        select(
            Decision.id.label("decision_id"),
            Trial.id.label("trial_id"),
            *_who(study_id),
            Participant.study_version,
            Arm.name.label("arm"),
            Arm.annotate,
            Arm.advice,
            Trial.position,
            Trial.kind,
            is_judgement().label("counts"),
            Trial.question,
            Trial.pair_id,
            Trial.region_check_id,
            Trial.left_image_id,
            Trial.right_image_id,
            Fake.source.label("fake_source"),
            Trial.advice["decision"].astext.label("advised_side"),
            json_number(Trial.advice, "confidence").label("advised_confidence"),
            Decision.choice,
            Decision.chosen_image_id,
            Decision.correct,
            Decision.region_iou,
            Decision.decision_ms,
            Decision.annotation_ms,
            case((Annotation.id.is_not(None), strokes)).label("stroke_count"),
            *interruptions(),
            Trial.shown_at,
            Decision.decided_at,
        )
        .join(Trial, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Arm, Arm.id == Participant.arm_id)
        .outerjoin(Pair, Pair.id == Trial.pair_id)
        .outerjoin(Fake, Fake.id == Pair.fake_image_id)
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
            *_measures(),
        )
        .join(Image, Image.id == SaliencyMap.image_id)
        .where(SaliencyMap.map_set_id == map_set_id)
        .order_by(SaliencyMap.image_id)
    )


def map_blobs(map_set_id: int) -> AnySelect:
    """Of each map of a map set its image and its blob."""
    return (
        select(SaliencyMap.image_id, SaliencyMap.blob_hash)
        .where(SaliencyMap.map_set_id == map_set_id)
        .order_by(SaliencyMap.image_id)
    )
