"""The annotations of a study, as maps and exports read them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC
from typing import Any, Final, Literal, TypeVarTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Engine,
    Float,
    Row,
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

from app.db import SessionFactory
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
)

Include = Literal["correct", "all"]
AnySelect = Select[*tuple[Any, ...]]
Columns = TypeVarTuple("Columns")
AnyRow = Row[*tuple[Any, ...]]

ROWS_AT_A_TIME: Final = 200


@contextmanager
def snapshot(sessions: SessionFactory) -> Iterator[Session]:
    """A session in which every query sees the database as it was at the first one."""
    with sessions() as session:
        if isinstance(session.get_bind(), Engine):
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


def annotation_rows(study_id: int, *, include: Include, counting: bool = True) -> AnySelect:
    """One row per annotation, strokes and all, ordered by image.

    `counting` False: those of practice, of checks, and of people who were screened out, instead.
    """
    strokes = (
        select(func.jsonb_agg(_stroke()).aggregate_order_by(Stroke.position))
        .where(Stroke.annotation_id == Annotation.id)
        .scalar_subquery()
    )
    accuracies = _accuracies(study_id).subquery()
    query = painted(
        select(
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
            Decision.decided_at,
            accuracies.c.accuracy,
            _flags().label("flags"),
            strokes.label("strokes"),
        ),
        study_id,
        counting=counting,
    )
    query = query.outerjoin(accuracies, accuracies.c.participant_id == Participant.id)
    query = query.where(Decision.correct) if include == "correct" else query
    return query.order_by(Annotation.image_id, Annotation.id)


def _stroke() -> ColumnElement[Any]:
    return func.jsonb_build_object("tool", Stroke.tool, "radius", Stroke.radius, "points", Stroke.points)


def inclusion_rows(study_id: int) -> AnySelect:
    """One row per annotation of a main trial, ordered by image: what decides whether and how much it counts.

    No stroke is read: strokes never change, and a decision carries the hash of the request that brought them.
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
    """Share of correct main decisions of every participant who made one."""
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
    """Kinds of the quality flags on the participant as such, or on the trial."""
    raised = select(QualityFlag.kind).where(
        QualityFlag.participant_id == Participant.id,
        QualityFlag.trial_id.is_(None) | (QualityFlag.trial_id == Trial.id),
    )
    return select(
        func.array(raised.distinct().correlate(Participant, Trial).scalar_subquery())
    ).scalar_subquery()


def stroke_rows(annotation_ids: Sequence[int]) -> AnySelect:
    """The strokes of some annotations, each a JSON text; those without a stroke are missing."""
    strokes = func.jsonb_agg(_stroke()).aggregate_order_by(Stroke.position)
    return (
        select(Stroke.annotation_id, cast(strokes, Text))
        .where(Stroke.annotation_id == func.any(cast(list(annotation_ids), ARRAY(BigInteger))))
        .group_by(Stroke.annotation_id)
    )


def image_accuracies(study_id: int) -> AnySelect:
    """For every image the share of main decisions on pairs with it that were correct."""
    columns = [Trial.left_image_id, Trial.right_image_id]
    sides = [
        select(side.label("image_id"), Decision.correct)
        .join(Decision, Decision.trial_id == Trial.id)
        .join(Participant, Participant.id == Trial.participant_id)
        .where(Participant.study_id == study_id, is_judgement())
        for side in columns
    ]
    shown = union_all(*sides).subquery()
    share = cast(func.avg(case((shown.c.correct, 1.0), else_=0.0)), Float)
    return select(shown.c.image_id, share.label("accuracy")).group_by(shown.c.image_id)


def painted(columns: Select[*Columns], study_id: int, *, counting: bool = True) -> Select[*Columns]:
    """`columns` of the annotations of a study: those that count, or those that count nowhere."""
    return (
        columns.select_from(Annotation)
        .join(Decision, Decision.id == Annotation.decision_id)
        .join(Trial, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Arm, Arm.id == Participant.arm_id)
        .join(Image, Image.id == Annotation.image_id)
        .where(Participant.study_id == study_id, is_judgement() if counting else ~is_judgement())
    )


def annotations(
    session: Session,
    study_id: int,
    *,
    include: Include,
    image_id: int | None = None,
    counting: bool = True,
) -> Iterator[Mapping[str, Any]]:
    """Every annotation (of one image) as JSON data; the database hands over a few rows at a time."""
    query = annotation_rows(study_id, include=include, counting=counting)
    if image_id is not None:
        query = query.where(Annotation.image_id == image_id)
    for row in streamed(session, query):
        yield as_json(row)


def as_json(row: AnyRow) -> dict[str, Any]:
    fields = dict(row._mapping)
    strokes = [
        {"tool": stroke["tool"], "radius": float(stroke["radius"]), "points": stroke["points"]}
        for stroke in fields.pop("strokes") or ()
    ]
    decided_at = fields.pop("decided_at").astimezone(UTC).isoformat()
    participant = str(fields.pop("participant"))
    return {**fields, "participant": participant, "decided_at": decided_at, "strokes": strokes}


def streamed(session: Session, query: AnySelect) -> Iterator[AnyRow]:
    """Rows through a cursor of the server: memory does not grow with their number."""
    with session.execute(query, execution_options={"yield_per": ROWS_AT_A_TIME}) as rows:
        yield from rows
