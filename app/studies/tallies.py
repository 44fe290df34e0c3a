"""What a study adds up to, read from the counts that the database keeps (docs/decisions/0016)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, text
from sqlalchemy.orm import Session

from app.models import ParticipantState, Question, Source
from app.models.tallies import PACE_S, STEP, TallyMeasure, tally

FOLD_FROM: Final = 4000
"""Rows of a study that are worth adding up: those of eight hundred judgements."""

TIMES: Final = (TallyMeasure.DECISION_MS, TallyMeasure.ANNOTATION_MS)

CountsOverTime = Sequence[tuple[int, int]]
"""In order: the start of five minutes in seconds since 1970, and what came in them, less what went. Of what
goes on for more than three days, what came before them is counted in the first five minutes of its hour."""


@dataclass(frozen=True, slots=True)
class JudgedCell:
    """The judgements in one cell of a design; `source` is the generator of the fake image."""

    study_id: int
    arm_id: int
    simulated: bool
    source: str
    question: Question
    decided: int
    correct: int


@dataclass(frozen=True, slots=True)
class ParticipantGroup:
    """The participants of one arm who came from one place and are in one state."""

    study_id: int
    arm_id: int
    source: Source
    state: ParticipantState
    number: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What progress is made of: judgements wanted by arm, those decided, and people."""

    wanted: dict[int, int]
    cells: list[JudgedCell]
    people: list[ParticipantGroup]


def counts_of(session: Session, studies: Collection[int]) -> Counts:
    """Of these studies, in one query."""
    counts = Counts({}, [], [])
    for row in _summed(
        session, tally.c.study_id.in_(studies), TallyMeasure.WANTED, TallyMeasure.CELL, TallyMeasure.PEOPLE
    ):
        match row.measure:
            case TallyMeasure.WANTED:
                counts.wanted[row.arm_id] = row.number
            case TallyMeasure.CELL:
                counts.cells.append(_cell(row))
            case _:
                group = (Source(row.source), ParticipantState(row.part), row.number)
                counts.people.append(ParticipantGroup(row.study_id, row.arm_id, *group))
    return counts


def cells(session: Session, study_id: int) -> list[JudgedCell]:
    """Every cell of a study that has a judgement."""
    return [_cell(row) for row in _summed(session, tally.c.study_id == study_id, TallyMeasure.CELL)]


def _cell(row: Any) -> JudgedCell:
    key = (row.study_id, row.arm_id, row.simulated, row.source, Question(row.part))
    return JudgedCell(*key, row.number, row.correct)


def _summed(session: Session, of: ColumnElement[bool], *measures: TallyMeasure) -> Sequence[Any]:
    """Rows with the same key added up; what came to nothing is left out."""
    key = (
        *(tally.c.study_id, tally.c.measure, tally.c.arm_id, tally.c.simulated),
        tally.c.source,
        tally.c.part,
    )
    number = func.sum(tally.c.number)
    query = select(*key, tally.c.bin, number.label("number"), func.sum(tally.c.correct).label("correct"))
    query = query.where(of, tally.c.measure.in_(measures)).group_by(*key, tally.c.bin).having(number != 0)
    return session.execute(query.order_by(*key, tally.c.bin)).all()


@dataclass(frozen=True, slots=True)
class Median:
    """Median times of an arm in ms, right to one percent; None where nothing was measured."""

    decision_ms: float | None = None
    annotation_ms: float | None = None


def medians(session: Session, study_id: int, *, simulated: bool) -> dict[int, Median]:
    """By arm id."""
    times: dict[int, dict[str, float]] = {}
    rows = _middle_bins(session, study_id, simulated=simulated)
    for (measure, arm_id), bins in groupby(rows, key=lambda row: (row.measure, row.arm_id)):
        times.setdefault(arm_id, {})[measure] = _middle(list(bins))
    return {arm_id: Median(**one) for arm_id, one in times.items()}


def _middle_bins(session: Session, study_id: int, *, simulated: bool) -> Sequence[Any]:
    """Of each measure and arm the bins in which the two middle times are: `number` of times in it, and how
    many there are `upto` its end and in `total`."""
    each, number = (tally.c.measure, tally.c.arm_id), func.sum(tally.c.number)
    bins = (
        select(
            *each,
            tally.c.bin,
            number.label("number"),
            func.sum(number).over(partition_by=each, order_by=tally.c.bin).label("upto"),
            func.sum(number).over(partition_by=each).label("total"),
        )
        .where(tally.c.study_id == study_id, tally.c.simulated == simulated, tally.c.measure.in_(TIMES))
        .group_by(*each, tally.c.bin)
        .having(number != 0)
        .subquery()
    )
    before, upto, total = 2 * (bins.c.upto - bins.c.number), 2 * bins.c.upto, bins.c.total
    middle = select(bins).where(upto >= total, before <= total)
    return session.execute(middle.order_by(bins.c.measure, bins.c.arm_id, bins.c.bin)).all()


def _middle(bins: Sequence[Any]) -> float:
    """The median of times that are counted in bins: the mean of the two middle ones, in ms."""
    total = int(bins[0].total)
    return (_ranked(bins, (total + 1) // 2) + _ranked(bins, total // 2 + 1)) / 2


def _ranked(bins: Sequence[Any], rank: int) -> float:
    """The time of that rank, from 1 on: as far into its bin as it is among those of the bin."""
    found = next(one for one in bins if rank <= one.upto)
    number, before = int(found.number), int(found.upto - found.number)
    return float(STEP ** (found.bin + (rank - before - 0.5) / number))


def pace(
    session: Session, study_id: int, *, simulated: bool | None, since: datetime | None = None
) -> CountsOverTime:
    """When judgements were made.

    simulated : of programs, of people, or (None) of both
    since : leave out what was made before the five minutes of this time
    """
    return _over_time(session, study_id, TallyMeasure.PACE, simulated=simulated, since=since)


def arrivals(session: Session, study_id: int) -> CountsOverTime:
    """When participants consented, people and programs."""
    return _over_time(session, study_id, TallyMeasure.ARRIVED)


def _over_time(
    session: Session,
    study_id: int,
    measure: TallyMeasure,
    *,
    simulated: bool | None = None,
    since: datetime | None = None,
) -> CountsOverTime:
    number = func.sum(tally.c.number)
    query = select(tally.c.bin, number).where(tally.c.study_id == study_id, tally.c.measure == measure)
    if simulated is not None:
        query = query.where(tally.c.simulated == simulated)
    if since is not None:
        query = query.where(tally.c.bin >= int(since.timestamp()) // PACE_S)
    rows = session.execute(query.group_by(tally.c.bin).having(number != 0).order_by(tally.c.bin))
    return [(bin_ * PACE_S, count) for bin_, count in rows]


def changes(session: Session, study_id: int) -> int:
    """A number that grows whenever a judgement comes or goes."""
    return sum(row.number for row in _summed(session, tally.c.study_id == study_id, TallyMeasure.CHANGE))


def unfolded(session: Session) -> Sequence[int]:
    """Studies with many rows to be added up."""
    many = select(tally.c.study_id).where(~tally.c.folded).group_by(tally.c.study_id)
    return session.scalars(many.having(func.count() >= FOLD_FROM)).all()


def fold(session: Session, study_id: int) -> None:
    """Add up the rows of a study; what is read from them stays the same."""
    session.execute(select(func.fold_tally(study_id)))


@dataclass(frozen=True, slots=True)
class Miscount:
    """Counts of a study that are not what counting gives, and by how much all in all."""

    study_id: int
    measure: TallyMeasure
    off: int


# Paces and arrivals are compared by the hour, as those of long studies are kept; changes only grow, and
# cannot be counted.
DIFFERENCES: Final = text("""
    SELECT study_id, measure, sum(abs(number) + abs(correct)) FROM (
        SELECT study_id, measure, sum(number) AS number, sum(correct) AS correct FROM (
            SELECT study_id, simulated, measure, arm_id, source, part, bin, number, correct FROM tally
            UNION ALL
            SELECT study_id, simulated, measure, arm_id, source, part, bin, -number, -correct FROM counted
        ) either WHERE measure <> 'change'
        GROUP BY study_id, simulated, measure, arm_id, source, part,
                 CASE WHEN measure IN ('pace', 'arrived') THEN bin - bin % 12 ELSE bin END
    ) apart GROUP BY study_id, measure HAVING sum(abs(number) + abs(correct)) > 0 ORDER BY study_id, measure
""")

ANEW: Final = text("""
    INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct, folded)
    SELECT study_id, simulated, measure, arm_id, source, part, bin, number, correct, true
    FROM counted WHERE measure <> 'change'
""")


def differences(session: Session) -> list[Miscount]:
    """Where the kept counts are not what counting gives; reads every decision."""
    return [
        Miscount(study, TallyMeasure(measure), off) for study, measure, off in session.execute(DIFFERENCES)
    ]


def recount(session: Session) -> None:
    """Write the counts anew; whoever decides or enrols waits until the transaction ends."""
    # Whatever changes a count writes here before it commits: what is seen from now on is all there is to add.
    session.execute(text("LOCK TABLE tally IN SHARE ROW EXCLUSIVE MODE"))
    wrong = {one.study_id for one in differences(session)}
    session.execute(delete(tally).where(tally.c.measure != TallyMeasure.CHANGE))
    session.execute(ANEW)
    # What was computed from this study was computed from other counts.
    changed = {"simulated": False, "measure": TallyMeasure.CHANGE, "bin": 0, "number": 1, "correct": 0}
    for study_id in wrong:
        session.execute(tally.insert(), {"study_id": study_id, **changed})
        fold(session, study_id)
