"""The annotations of a study, as maps and exports read them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

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
AnyRow = Row[*tuple[Any, ...]]

ROWS_AT_A_TIME: Final = 200


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
    query = (
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
        )
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
        .order_by(Annotation.image_id, Annotation.id)
    )
    return query.where(Decision.correct) if include == "correct" else query


def annotations(session: Session, study_id: int, *, include: Include) -> Iterator[Mapping[str, Any]]:
    """Every annotation as JSON data; the database hands over a few rows at a time."""
    for row in streamed(session, annotation_rows(study_id, include=include)):
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
    yield from session.execute(query, execution_options={"yield_per": ROWS_AT_A_TIME})
