"""The decisions of a study, as a table."""

import hashlib
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import pandas as pd
from sqlalchemy import ColumnElement, Engine, Select, case, exists, func, select
from sqlalchemy.orm import Session, aliased

from app.analysis.table import Decisions
from app.db import SessionFactory
from app.models import (
    Annotation,
    Arm,
    Decision,
    Image,
    Pair,
    Participant,
    QualityFlag,
    Question,
    Source,
    Stroke,
    Trial,
    is_judgement,
)

Who = Literal["people", "simulated"]
ROWS_AT_A_TIME: Final = 200

Fake = aliased(Image)


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose decisions count: people or programs, without participants who have one of some quality flags."""

    who: Who = "people"
    without: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "without": sorted(self.without)}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Choice":
        return cls(value["who"], tuple(value["without"]))

    @property
    def condition(self) -> ColumnElement[bool]:
        simulated = Participant.source == Source.SIMULATED
        chosen = simulated if self.who == "simulated" else ~simulated
        flagged = exists().where(
            QualityFlag.participant_id == Participant.id, QualityFlag.kind.in_(self.without)
        )
        return chosen & ~flagged if self.without else chosen


def snapshot(sessions: SessionFactory) -> Session:
    """A session in which every query sees the database as it was at the first one."""
    session = sessions()
    if isinstance(session.get_bind(), Engine):
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    return session


def judgements(columns: Select[*tuple[Any, ...]], study_id: int) -> Select[*tuple[Any, ...]]:
    """`columns` of the decisions of a study that count: main trials of those who did not withdraw."""
    return (
        columns.select_from(Decision)
        .join(Trial, Trial.id == Decision.trial_id)
        .join(Participant, Participant.id == Trial.participant_id)
        .join(Arm, Arm.id == Participant.arm_id)
        .join(Pair, Pair.id == Trial.pair_id)
        .where(Participant.study_id == study_id, is_judgement())
    )


def whose(session: Session, study_id: int) -> Who:
    """People where there is one with a decision that counts; otherwise the programs, if there are any."""
    sources = set(session.scalars(judgements(select(Participant.source), study_id).distinct()))
    return "simulated" if sources == {Source.SIMULATED} else "people"


def flag_kinds(session: Session, study_id: int, who: Who) -> Sequence[tuple[str, int]]:
    """Every kind of quality flag in a study, with the number of participants who have it."""
    counted = func.count(QualityFlag.participant_id.distinct())
    query = (
        select(QualityFlag.kind, counted)
        .join(Participant, Participant.id == QualityFlag.participant_id)
        .where(Participant.study_id == study_id, Choice(who).condition)
        .group_by(QualityFlag.kind)
        .order_by(QualityFlag.kind)
    )
    return [(kind, number) for kind, number in session.execute(query)]


def seen(session: Session, study_id: int) -> dict[str, int]:
    """Counts that change whenever a decision or a flag comes or goes; two equal ones saw the same study."""
    decided = judgements(select(func.count(), func.max(Decision.id)), study_id)
    number, last = session.execute(decided).one()
    flags = (
        select(func.count(), func.max(QualityFlag.id))
        .join(Participant, Participant.id == QualityFlag.participant_id)
        .where(Participant.study_id == study_id)
    )
    flagged, last_flag = session.execute(flags).one()
    return {"decisions": number, "last": last or 0, "flags": flagged, "last_flag": last_flag or 0}


def read_decisions(session: Session, study_id: int, choice: Choice) -> Decisions:
    """The decisions that count, ordered by participant and position; see `app.analysis.table`.

    Besides the table's own columns: decision_id and simulated.
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
    """SHA-256 over every decision of a table; the same decisions have the same."""
    return hashlib.sha256(decisions.frame.to_csv(index=False).encode()).hexdigest()


def annotation_rows(session: Session, study_id: int, choice: Choice) -> Generator[Any, None, None]:
    """What `app.analysis.painting.painted` reads, a few rows at a time."""
    drawn = func.jsonb_build_object("tool", Stroke.tool, "radius", Stroke.radius, "points", Stroke.points)
    strokes = (
        select(func.jsonb_agg(drawn).aggregate_order_by(Stroke.position))
        .where(Stroke.annotation_id == Annotation.id)
        .scalar_subquery()
    )
    query = (
        judgements(
            select(
                Decision.id.label("decision_id"),
                strokes.label("strokes"),
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
    with session.execute(query, execution_options={"yield_per": ROWS_AT_A_TIME}) as rows:
        yield from rows


def annotation_count(session: Session, study_id: int, choice: Choice) -> int:
    query = judgements(select(func.count()), study_id).join(Annotation, Annotation.decision_id == Decision.id)
    return session.scalar(query.where(choice.condition)) or 0


def participant_count(session: Session, study_id: int, choice: Choice) -> int:
    """Participants with a decision that counts."""
    query = judgements(select(func.count(Participant.id.distinct())), study_id)
    return session.scalar(query.where(choice.condition)) or 0
