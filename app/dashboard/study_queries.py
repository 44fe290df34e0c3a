"""What a study has collected so far, in a handful of grouped queries whatever its size.

Accuracy and times count main trials: practice gives feedback, and checks are easy on purpose.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, literal, select
from sqlalchemy.orm import Session

from app.dashboard.charts import Bar, bars, step_for
from app.dashboard.statistics import Proportion
from app.models import (
    Arm,
    Decision,
    Image,
    Pair,
    Participant,
    ParticipantState,
    Question,
    Quota,
    Source,
    Study,
    StudyState,
    Trial,
    is_judgement,
)

Who = Literal["people", "simulated"]
K = TypeVar("K")

EPOCH: Final = datetime.fromisoformat("2001-01-01T00:00:00+00:00")  # a Monday: weeks start there


def _is(who: Who) -> ColumnElement[bool]:
    simulated = Participant.source == Source.SIMULATED
    return simulated if who == "simulated" else ~simulated


def _main_decisions(study_id: int, *columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .select_from(Participant)
        .join(Trial, Trial.participant_id == Participant.id)
        .join(Decision, Decision.trial_id == Trial.id)
        .where(Participant.study_id == study_id, is_judgement())
    )


@dataclass(frozen=True, slots=True)
class StudyLine:
    """A study in a list."""

    study: Study
    participants: int
    simulated: int
    wanted: int
    taken: int


def overview(session: Session, *, limit: int | None = None) -> list[StudyLine]:
    """Studies with their progress: open ones first, then the newest."""
    quota = (
        select(Arm.study_id, func.sum(Quota.wanted).label("wanted"), func.sum(Quota.taken).label("taken"))
        .join(Quota, Quota.arm_id == Arm.id)
        .group_by(Arm.study_id)
        .subquery()
    )
    people = (
        select(
            Participant.study_id,
            func.count().label("all"),
            func.count(case((Participant.source == Source.SIMULATED, 1))).label("simulated"),
        )
        .group_by(Participant.study_id)
        .subquery()
    )
    nothing = literal(0)
    query = (
        select(
            Study,
            func.coalesce(people.c.all, nothing),
            func.coalesce(people.c.simulated, nothing),
            func.coalesce(quota.c.wanted, nothing),
            func.coalesce(quota.c.taken, nothing),
        )
        .outerjoin(quota, quota.c.study_id == Study.id)
        .outerjoin(people, people.c.study_id == Study.id)
        .order_by((Study.state == StudyState.OPEN).desc(), Study.id.desc())
        .limit(limit)
    )
    return [StudyLine(*row) for row in session.execute(query)]


@dataclass(frozen=True, slots=True)
class ArmProgress:
    arm: Arm
    wanted: int
    taken: int
    decided: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Decisions of main trials in one cell of the design."""

    arm_id: int
    source: str
    """Generator of the fake image."""
    question: Question
    simulated: bool
    decided: int
    correct: int


def tally(session: Session, study_id: int) -> list[Tally]:
    """Every decision of the study in its cell: one long look at the decisions for all counts of a page."""
    made_up = (Participant.source == Source.SIMULATED).label("simulated")
    key = (Participant.arm_id, Trial.pair_id, Trial.question, made_up)
    counts = func.count().label("decided"), func.count(case((Decision.correct, 1))).label("correct")
    per_pair = _main_decisions(study_id, *key, *counts).group_by(*key).subquery()
    cell = (per_pair.c.arm_id, Image.source, per_pair.c.question, per_pair.c.simulated)
    rows = session.execute(
        select(*cell, func.sum(per_pair.c.decided), func.sum(per_pair.c.correct))
        .join(Pair, Pair.id == per_pair.c.pair_id)
        .join(Image, Image.id == Pair.fake_image_id)
        .group_by(*cell)
        .order_by(Image.source)
    )
    return [
        Tally(arm, source, question, simulated, int(decided), int(correct))
        for arm, source, question, simulated, decided, correct in rows
    ]


def arm_progress(session: Session, study_id: int, tallies: Sequence[Tally]) -> list[ArmProgress]:
    """Judgements wanted, taken (decided or held for somebody at work) and decided, per arm."""
    wanted = dict(_quota(session, study_id))
    decided: Counter[int] = Counter()
    for cell in tallies:
        decided[cell.arm_id] += cell.decided
    arms = session.scalars(select(Arm).where(Arm.study_id == study_id).order_by(Arm.name))
    return [ArmProgress(arm, *wanted.get(arm.id, (0, 0)), decided[arm.id]) for arm in arms]


def _quota(session: Session, study_id: int) -> list[tuple[int, tuple[int, int]]]:
    rows = session.execute(
        select(Quota.arm_id, func.sum(Quota.wanted), func.sum(Quota.taken))
        .join(Arm, Arm.id == Quota.arm_id)
        .where(Arm.study_id == study_id)
        .group_by(Quota.arm_id)
    )
    return [(arm, (int(wanted), int(taken))) for arm, wanted, taken in rows]


@dataclass(frozen=True, slots=True)
class Headcount:
    """Participants of a study; `away` are active ones whose lease has lapsed."""

    working: int
    away: int
    finished: int
    screened_out: int
    withdrawn: int
    simulated: int
    people: int


def headcount(session: Session, study_id: int) -> Headcount:
    def counted(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count(case((and_(*conditions), 1)))

    active = Participant.state == ParticipantState.ACTIVE
    at_work = Participant.lease_expires_at > func.now()
    row = session.execute(
        select(
            counted(active, at_work),
            counted(active, ~at_work),
            counted(Participant.state == ParticipantState.FINISHED),
            counted(Participant.state == ParticipantState.SCREENED_OUT),
            counted(Participant.state == ParticipantState.WITHDRAWN),
            counted(_is("simulated")),
            counted(_is("people")),
        ).where(Participant.study_id == study_id)
    ).one()
    return Headcount(*row)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Proportions correct: by arm id, by generator of the fake image, by question, and by both."""

    by_arm: dict[int, Proportion]
    by_source: dict[str, Proportion]
    by_question: dict[str, Proportion]
    by_arm_and_source: dict[tuple[int, str], Proportion]


def accuracy(tallies: Sequence[Tally], who: Who) -> Accuracy:
    found = Accuracy({}, {}, {}, {})
    for cell in tallies:
        if cell.simulated is not (who == "simulated"):
            continue
        counted = Proportion(cell.correct, cell.decided)
        _add(found.by_arm, cell.arm_id, counted)
        _add(found.by_source, cell.source, counted)
        _add(found.by_question, cell.question.value, counted)
        _add(found.by_arm_and_source, (cell.arm_id, cell.source), counted)
    return found


def _add(table: dict[K, Proportion], key: K, cell: Proportion) -> None:
    table[key] = table.get(key, Proportion(0, 0)) + cell


def median_times(session: Session, study_id: int, who: Who) -> dict[int, Row[Any]]:
    """Median decision and annotation time in ms by arm id; None where nothing was measured."""

    def median(column: Any) -> ColumnElement[float]:
        return func.percentile_cont(0.5).within_group(column)

    columns = median(Decision.decision_ms).label("decision_ms"), median(Decision.annotation_ms)
    rows: Sequence[Row[Any]] = session.execute(
        _main_decisions(study_id, Participant.arm_id, columns[0], columns[1].label("annotation_ms"))
        .where(_is(who))
        .group_by(Participant.arm_id)
    ).all()
    return {row.arm_id: row for row in rows}


def decisions_over_time(session: Session, study: Study, who: Who) -> tuple[list[Bar], timedelta | None]:
    """Bars of equal steps from the first decision to the last, and the step."""
    # Every request renews a lease, so it tells the last sign of life without a look at the decisions.
    reach = func.min(Participant.consented_at), func.max(Participant.lease_expires_at)
    theirs = Participant.study_id == study.id, _is(who)
    first, last = session.execute(select(*reach).where(*theirs)).one()
    if first is None:
        return [], None
    step = step_for(first, max(first, last - study.lease))
    start = func.date_bin(step, Decision.decided_at, EPOCH).label("start")
    rows = session.execute(
        _main_decisions(study.id, start, func.count()).where(_is(who)).group_by(start).order_by(start)
    )
    return bars([(at, count) for at, count in rows], step), step
