"""Read the decisions of a study into a table."""

import hashlib
from collections.abc import Generator

import pandas as pd
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session, aliased

from accuracy.decisions.table import Decisions
from app.analysis.queries import Choice, judgements
from app.db import AnyRow, streamed
from app.models import (
    Annotation,
    Arm,
    Decision,
    Image,
    Pair,
    Participant,
    Question,
    Source,
    Trial,
    strokes_json,
)

Fake = aliased(Image)


def read_decisions(session: Session, study_id: int, choice: Choice) -> Decisions:
    """The judgements of a study, ordered by participant and position; see `accuracy.decisions.table`.

    It has three columns more than that table: decision_id, simulated and study_version.
    """
    answer = (
        case((Trial.question == Question.REAL, Pair.real_image_id), else_=Pair.fake_image_id)
        == Trial.left_image_id
    )
    query = (
        judgements(
            select(
                Decision.id.label("decision_id"),
                Participant.id.label("participant"),
                (Participant.source == Source.SIMULATED).label("simulated"),
                Participant.study_version,
                Arm.name.label("arm"),
                Arm.annotate,
                Decision.correct,
                Trial.pair_id.label("item"),
                Fake.source,
                Trial.question,
                Decision.choice,
                case((answer, "left"), else_="right").label("answer"),
                Trial.position,
                Decision.decision_ms,
                Decision.annotation_ms,
            ),
            study_id,
        )
        .join(Fake, Fake.id == Pair.fake_image_id)
        .where(choice.condition)
        .order_by(Participant.consented_at, Participant.id, Trial.position)
    )
    rows = session.execute(query)
    frame = pd.DataFrame(rows.all(), columns=list(rows.keys()))
    for column in ("participant", "question", "choice"):
        frame[column] = frame[column].map(str)
    frame["correct"] = frame["correct"].astype(float)
    for column in ("decision_ms", "annotation_ms"):
        frame[column] = pd.to_numeric(frame[column])
    frame["position"] = frame.groupby("participant").cumcount() + 1
    paints = frozenset(frame.loc[frame["annotate"].astype(bool), "arm"])
    return Decisions(frame.drop(columns="annotate"), "2afc", paints)


def inputs_hash(decisions: Decisions) -> str:
    """SHA-256 of the table; equal for equal decisions."""
    return hashlib.sha256(decisions.frame.to_csv(index=False).encode()).hexdigest()


def annotation_rows(session: Session, study_id: int, choice: Choice) -> Generator[AnyRow, None, None]:
    """The rows that `accuracy.reporting.painting.painted` reads, a few in memory at a time."""
    query = (
        judgements(
            select(
                Decision.id.label("decision_id"),
                strokes_json().label("strokes"),
                Decision.correct,
                Image.label,
                Image.width,
                Image.height,
                Image.face_x,
                Image.face_y,
                Image.face_width,
                Image.face_height,
            ),
            study_id,
        )
        .join(Annotation, Annotation.decision_id == Decision.id)
        .join(Image, Image.id == Annotation.image_id)
        .where(choice.condition)
        .order_by(Annotation.id)
    )
    return streamed(session, query)


def annotation_count(session: Session, study_id: int, choice: Choice) -> int:
    query = judgements(select(func.count()), study_id).join(Annotation, Annotation.decision_id == Decision.id)
    return session.scalar(query.where(choice.condition)) or 0
