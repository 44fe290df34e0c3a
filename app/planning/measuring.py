"""How people and pairs differed in a study that was run, for the planner of another one."""

from typing import Any, Final

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.analysis.queries import Choice, Who, judgements, whose
from app.errors import BadInput
from app.models import Decision, Participant, Study, StudyState, Trial
from app.planning.schemas import EstimateView, MeasuredView

MOST_DECISIONS: Final = 200_000


def measured(session: Session, study: Study) -> MeasuredView:
    """From the judgements that count, of people if there are any; `BadInput` where they are too few.

    Two seconds for 100,000; of more than `MOST_DECISIONS` only those of some participants are read.
    """
    from accuracy.statistics.planning_estimates import TooLittleData, measured_assumptions  # with SciPy

    who = whose(session, study.id)
    try:
        found = measured_assumptions(*_decisions(session, study, who))
    except TooLittleData as error:
        raise BadInput(
            f"Study {study.slug} says too little of how people and pairs differ: {error}"
        ) from None
    shown = {
        name: EstimateView(value=estimate.value, low=estimate.low, high=estimate.high)
        for name in ("mean", "participant_sd", "pair_sd")
        if (estimate := getattr(found, name)).value is not None
    }
    counts = {name: getattr(found, name) for name in ("participants", "pairs", "decisions")}
    return MeasuredView(study=study.slug, who=who, **shown, **counts)


def _decisions(session: Session, study: Study, who: Who) -> tuple[Any, Any, Any, Any]:
    """Whether each judgement is correct, and codes from 0 of its participant, pair and arm; each (N,)."""
    columns = select(Decision.correct, Trial.participant_id, Trial.pair_id, Participant.arm_id)
    query = judgements(columns, study.id).where(Choice(who).condition)
    # Ids are random, so those that come first are no special people.
    rows = session.execute(query.order_by(Trial.participant_id).limit(MOST_DECISIONS)).all()
    correct, *clusters = zip(*rows, strict=True) if rows else ((), (), (), ())
    return np.array(correct, dtype=np.float64), *map(_codes, clusters)


def _codes(values: tuple[Any, ...]) -> Any:
    known: dict[Any, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], dtype=np.intp)


def studies_with_judgements(session: Session, *, limit: int = 200) -> list[tuple[str, str]]:
    """Name in addresses and title of studies and pilots that were opened, the newest first."""
    query = select(Study.slug, Study.title).where(Study.state != StudyState.DRAFT)
    return [(slug, title) for slug, title in session.execute(query.order_by(Study.id.desc()).limit(limit))]
