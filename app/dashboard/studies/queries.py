"""What a study has collected so far, as its page shows it. People and programs are never mixed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.dashboard.charts import Bar, bars, in_steps, step_for
from app.dashboard.statistics import Proportion
from app.models import Study, StudyState
from app.studies import tallies
from app.studies.progress import StudySummary, list_studies
from app.studies.tallies import JudgedCell

Who = Literal["people", "simulated"]
K = TypeVar("K")


def open_ones_first(session: Session, *, limit: int | None = None) -> list[StudySummary]:
    """Studies with their progress: open ones first, then the newest."""
    is_open = Study.state == StudyState.OPEN
    query = select(Study).order_by(is_open.desc(), Study.id.desc()).limit(limit)
    return list_studies(session, session.scalars(query).all())


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Proportions correct: by arm id, by generator of the fake image, by question, and by arm and either."""

    by_arm: dict[int, Proportion]
    by_source: dict[str, Proportion]
    by_question: dict[str, Proportion]
    by_arm_and_source: dict[tuple[int, str], Proportion]
    by_arm_and_question: dict[tuple[int, str], Proportion]


def accuracy(cells: Iterable[JudgedCell], who: Who) -> Accuracy:
    found = Accuracy({}, {}, {}, {}, {})
    for cell in cells:
        if cell.simulated is not (who == "simulated"):
            continue
        counted = Proportion(cell.correct, cell.decided)
        _add(found.by_arm, cell.arm_id, counted)
        _add(found.by_source, cell.source, counted)
        _add(found.by_question, cell.question.value, counted)
        _add(found.by_arm_and_source, (cell.arm_id, cell.source), counted)
        _add(found.by_arm_and_question, (cell.arm_id, cell.question.value), counted)
    return found


def _add(table: dict[K, Proportion], key: K, cell: Proportion) -> None:
    table[key] = table.get(key, Proportion(0, 0)) + cell


def decisions_over_time(session: Session, study_id: int, who: Who) -> tuple[Sequence[Bar], timedelta | None]:
    """Bars of equal steps from the first judgement to the last, and the step."""
    known = list(tallies.pace(session, study_id, simulated=who == "simulated"))
    made = [at for at, number in known if number > 0]
    if not made:
        return [], None
    step = step_for(made[0], made[-1])
    return bars(in_steps(known, step), step), step
