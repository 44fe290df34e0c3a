"""The annotations of a study, as maps and exports read them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVarTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Float,
    ScalarSelect,
    Select,
    Text,
    case,
    cast,
    func,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from app.db import AnyRow, AnySelect, streamed
from app.models import (
    Annotation,
    Arm,
    Decision,
    Image,
    Participant,
    QualityFlag,
    Source,
    Stroke,
    Trial,
    is_judgement,
    is_pilot,
    stroke_json,
    strokes_json,
)

Columns = TypeVarTuple("Columns")


def annotation_rows(study_id: int, *, counting: bool = True) -> AnySelect:
    """One row per annotation, ordered by image, without its strokes.

    `counting` False: those of practice, of checks, and of people who were screened out, instead.
    """
    columns = select(
        Annotation.id.label("annotation_id"),
        Annotation.image_id,
        Image.label,
        Image.source,
        Image.width,
        Image.height,
        Participant.id.label("participant"),
        (Participant.source == Source.SIMULATED).label("simulated"),
        Arm.name.label("arm"),
        Trial.kind,
        Trial.question,
        Decision.correct,
        Decision.decision_ms,
        Decision.annotation_ms,
    )
    return painted(columns, study_id, counting=counting).order_by(Annotation.image_id, Annotation.id)


def inclusion_rows(study_id: int) -> AnySelect:
    """What decides whether and how much an annotation counts: a row for each of a main trial, by image.

    Strokes are not read: they never change, and a decision has the hash of the request that they came in.
    """
    accuracies = _accuracies(study_id).subquery()
    columns = select(
        Annotation.id,
        Annotation.image_id,
        Image.width,
        Image.height,
        Image.label,
        Image.source,
        Image.face_x,
        Image.face_y,
        Image.face_width,
        Image.face_height,
        Decision.correct,
        Decision.body_hash,
        Decision.decision_ms,
        Decision.decided_at,
        Arm.name.label("arm"),
        Trial.question,
        cast(Participant.id, Text).label("participant"),
        (Participant.source == Source.SIMULATED).label("simulated"),
        accuracies.c.accuracy,
        _flags().label("flags"),
    )
    query = painted(columns, study_id)
    query = query.join(accuracies, accuracies.c.participant_id == Participant.id)
    return query.order_by(Annotation.image_id, Annotation.id)


def _accuracies(study_id: int) -> AnySelect:
    """Share of correct main decisions, for each participant who made one."""
    return (
        select(
            Trial.participant_id,
            cast(func.avg(case((Decision.correct, 1.0), else_=0.0)), Float).label("accuracy"),
        )
        .join(Decision, Decision.trial_id == Trial.id)
        .join(Participant, Participant.id == Trial.participant_id)
        .where(Participant.study_id == study_id, is_judgement())
        .group_by(Trial.participant_id)
    )


def _flags() -> ScalarSelect[Any]:
    """Kinds of the quality flags on the participant or on the trial."""
    raised = select(QualityFlag.kind).where(
        QualityFlag.participant_id == Participant.id,
        QualityFlag.trial_id.is_(None) | (QualityFlag.trial_id == Trial.id),
    )
    return select(
        func.array(raised.distinct().correlate(Participant, Trial).scalar_subquery())
    ).scalar_subquery()


def stroke_rows(annotation_ids: Sequence[int]) -> AnySelect:
    """The strokes of each annotation as a JSON text; an annotation without strokes has no row."""
    strokes = func.jsonb_agg(stroke_json()).aggregate_order_by(Stroke.position)
    return (
        select(Stroke.annotation_id, cast(strokes, Text))
        .where(Stroke.annotation_id == func.any(cast(list(annotation_ids), ARRAY(BigInteger))))
        .group_by(Stroke.annotation_id)
    )


def image_accuracies(study_id: int) -> AnySelect:
    """For each image the share of correct decisions among main trials that showed it."""
    columns = [Trial.left_image_id, Trial.right_image_id]
    sides = [
        select(side.label("image_id"), Decision.correct)
        .join(Decision, Decision.trial_id == Trial.id)
        .join(Participant, Participant.id == Trial.participant_id)
        .where(Participant.study_id == study_id, is_judgement())
        for side in columns
    ]
    decisions = union_all(*sides).subquery()
    share = cast(func.avg(case((decisions.c.correct, 1.0), else_=0.0)), Float)
    return select(decisions.c.image_id, share.label("accuracy")).group_by(decisions.c.image_id)


def painted(columns: Select[*Columns], study_id: int, *, counting: bool = True) -> Select[*Columns]:
    """`columns` of the annotations of a study that are judgements, or of those that are not."""
    return (
        columns.select_from(Annotation)
        .join(Decision, Decision.id == Annotation.decision_id)
        .join(Trial, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Arm, Arm.id == Participant.arm_id)
        .join(Image, Image.id == Annotation.image_id)
        .where(Participant.study_id == study_id, is_judgement() if counting else ~is_judgement())
    )


def annotations_on(session: Session, study_id: int, image_id: int) -> Iterator[Mapping[str, Any]]:
    """The annotations on one image that are judgements, as JSON data."""
    query = annotation_rows(study_id).where(Annotation.image_id == image_id)
    return map(as_json, streamed(session, query.add_columns(strokes_json().label("strokes"))))


def as_json(row: AnyRow) -> dict[str, Any]:
    fields = dict(row._mapping)
    strokes = [
        {"tool": stroke["tool"], "radius": float(stroke["radius"]), "points": stroke["points"]}
        for stroke in fields.pop("strokes") or ()
    ]
    return {**fields, "participant": str(fields["participant"]), "strokes": strokes}


def exported_rows(study_id: int, *, counting: bool) -> AnySelect:
    """A row per annotation with all that map parameters can select by, ordered by image, without strokes."""
    accuracies = _accuracies(study_id).subquery()
    query = annotation_rows(study_id, counting=counting)
    query = query.outerjoin(accuracies, accuracies.c.participant_id == Participant.id)
    return query.add_columns(
        Decision.id.label("decision_id"),
        Decision.decided_at,
        accuracies.c.accuracy,
        is_pilot(study_id).label("pilot"),
        Participant.study_version,
        _flags().label("flags"),
    )
