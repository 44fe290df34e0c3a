"""The annotations of a study, as maps and exports read them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Literal, TypeVarTuple

from sqlalchemy import Engine, Row, Select, func, select
from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.models import (
    Annotation,
    Arm,
    Decision,
    Image,
    Participant,
    ParticipantState,
    Source,
    Stroke,
    Trial,
    TrialKind,
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


def annotation_rows(study_id: int, *, include: Include) -> AnySelect:
    """One row per annotation, strokes and all, ordered by image.

    Practice trials and participants who withdrew are left out.
    """
    strokes = (
        select(
            func.jsonb_agg(
                func.jsonb_build_object("tool", Stroke.tool, "radius", Stroke.radius, "points", Stroke.points)
            ).aggregate_order_by(Stroke.position)
        )
        .where(Stroke.annotation_id == Annotation.id)
        .scalar_subquery()
    )
    return counted(
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
            Trial.question,
            Decision.correct,
            Decision.decision_ms,
            Decision.annotation_ms,
            strokes.label("strokes"),
        ),
        study_id,
        include=include,
    ).order_by(Annotation.image_id, Annotation.id)


def identity_rows(study_id: int, *, include: Include) -> AnySelect:
    """What tells two states of the annotations apart, in a fixed order, without reading a stroke.

    Strokes never change, and a decision carries the hash of the request that brought them.
    """
    columns = select(Annotation.id, Annotation.image_id, Decision.correct, Decision.body_hash)
    return counted(columns, study_id, include=include).order_by(Annotation.image_id, Annotation.id)


def counted(columns: Select[*Columns], study_id: int, *, include: Include) -> Select[*Columns]:
    """`columns` of the annotations that count: no practice, nobody who withdrew, and as `include` says."""
    query = (
        columns.select_from(Annotation)
        .join(Decision, Decision.id == Annotation.decision_id)
        .join(Trial, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Arm, Arm.id == Participant.arm_id)
        .join(Image, Image.id == Annotation.image_id)
        .where(
            Participant.study_id == study_id,
            Participant.state != ParticipantState.WITHDRAWN,
            Trial.kind != TrialKind.PRACTICE,
        )
    )
    return query.where(Decision.correct) if include == "correct" else query


def annotations(
    session: Session, study_id: int, *, include: Include, image_id: int | None = None
) -> Iterator[Mapping[str, Any]]:
    """Every annotation (of one image) as JSON data; the database hands over a few rows at a time."""
    query = annotation_rows(study_id, include=include)
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
    return {**fields, "participant": str(fields["participant"]), "strokes": strokes}


def streamed(session: Session, query: AnySelect) -> Iterator[AnyRow]:
    """Rows through a cursor of the server: memory does not grow with their number."""
    with session.execute(query, execution_options={"yield_per": ROWS_AT_A_TIME}) as rows:
        yield from rows
