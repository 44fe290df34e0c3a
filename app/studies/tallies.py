"""What a study adds up to, read from the counts that the database keeps (docs/decisions/0016)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, text
from sqlalchemy.orm import Session

from app.models import ParticipantState, Question, Source
from app.models.tallies import PACE_S, STEP, TallyMeasure, tally

FOLD_FROM: Final = 4000
"""Rows of a study that are worth adding up: those of eight hundred judgements."""

TIMES: Final = (TallyMeasure.DECISION_MS, TallyMeasure.ANNOTATION_MS)


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
    mine = (tally.c.study_id == study_id) & (tally.c.simulated == simulated)
    times: dict[int, dict[str, float]] = {}
    for (measure, arm_id), rows in groupby(
        _summed(session, mine, *TIMES), key=lambda row: (row.measure, row.arm_id)
    ):
        times.setdefault(arm_id, {})[measure] = _middle([(row.bin, row.number) for row in rows])
    return {arm_id: Median(**one) for arm_id, one in times.items()}


def _middle(bins: Sequence[tuple[int, int]]) -> float:
    """The median of times that are counted in bins: the mean of the two middle ones, in ms."""
    total = sum(number for _, number in bins)
    return (_ranked(bins, (total + 1) // 2) + _ranked(bins, total // 2 + 1)) / 2


def _ranked(bins: Sequence[tuple[int, int]], rank: int) -> float:
    """The time of that rank, from 1 on: as far into its bin as it is among those of the bin."""
    upto = accumulate(number for _, number in bins)
    bin_, number, last = next((*one, end) for one, end in zip(bins, upto, strict=True) if rank <= end)
    return float(STEP ** (bin_ + (rank - (last - number) - 0.5) / number))


def pace(
    session: Session, study_id: int, *, simulated: bool | None, since: datetime | None = None
) -> Iterator[tuple[datetime, int]]:
    """When judgements were made, and how many then came or went: to five minutes, and of a study that goes on
    for more than three days to the hour before them.

    simulated : of programs, of people, or (None) of both
    since : leave out what was made before the five minutes of this time
    """
    mine = tally.c.study_id == study_id
    if simulated is not None:
        mine &= tally.c.simulated == simulated
    if since is not None:
        mine &= tally.c.bin >= int(since.timestamp()) // PACE_S
    rows = _summed(session, mine, TallyMeasure.PACE)
    return ((datetime.fromtimestamp(row.bin * PACE_S, UTC), row.number) for row in rows)


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


# Paces are compared by the hour, as those of long studies are kept; changes only grow, and cannot be counted.
DIFFERENCES: Final = text("""
    SELECT study_id, measure, sum(abs(number) + abs(correct)) FROM (
        SELECT study_id, measure, sum(number) AS number, sum(correct) AS correct FROM (
            SELECT study_id, simulated, measure, arm_id, source, part, bin, number, correct FROM tally
            UNION ALL
            SELECT study_id, simulated, measure, arm_id, source, part, bin, -number, -correct FROM counted
        ) either WHERE measure <> 'change'
        GROUP BY study_id, simulated, measure, arm_id, source, part,
                 CASE measure WHEN 'pace' THEN bin - bin % 12 ELSE bin END
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
