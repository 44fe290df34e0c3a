"""Participants and their work, as the pages list them. Nobody is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeVarTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Double, Integer, Select, case, cast, func, select, tuple_
from sqlalchemy.orm import Session

from accuracy.statistics.proportions import Proportion
from app.db import AnyRow
from app.errors import BadInput, NotFound
from app.forms import Fields
from app.models import (
    Arm,
    Decision,
    Participant,
    ParticipantState,
    QualityFlag,
    Source,
    Study,
    Trial,
    TrialKind,
)

PAGE_SIZE: Final = 50

Columns = TypeVarTuple("Columns")


class ParticipantFilter(Fields):
    """The query of the list's address."""

    arm: str = ""
    state: ParticipantState | Literal[""] = ""
    source: Source | Literal[""] = ""
    flag: str = ""
    """A kind of quality flag, or "any"."""
    code: str = ""
    """A completion code: what participants have in hand when they write."""
    sort: Literal["newest", "oldest", "most_flags", "least_correct", "fastest"] = "newest"
    after: str = ""
    """The `position` of the last participant seen."""

    @property
    def narrows(self) -> bool:
        """Whether anybody is left out."""
        return any((self.arm, self.state, self.source, self.flag, self.code))


def list_participants(session: Session, study: Study, wanted: ParticipantFilter) -> Sequence[AnyRow]:
    """Participant, name of the arm, and what they are sorted by; one more than a page."""
    value, is_falling = _order(wanted.sort)
    place = tuple_(value, Participant.id)
    query = _filtered(select(Participant, Arm.name.label("arm"), value.label("value")), study, wanted)
    if wanted.after:
        seen = tuple_(*_parsed(wanted.after))
        query = query.where(place < seen if is_falling else place > seen)
    order = [part.desc() if is_falling else part.asc() for part in (value, Participant.id)]
    return session.execute(query.order_by(*order).limit(PAGE_SIZE + 1)).all()


@dataclass(frozen=True, slots=True)
class ListTotals:
    """Of all whom a filter lets through."""

    participants: int
    finished: int
    flagged: int
    excluded: int


def totals(session: Session, study: Study, wanted: ParticipantFilter) -> ListTotals:
    raised = select(QualityFlag.id).where(QualityFlag.participant_id == Participant.id).exists()
    columns = select(
        func.count(),
        func.count().filter(Participant.state == ParticipantState.FINISHED),
        func.count().filter(raised),
        func.count(Participant.excluded_at),
    ).select_from(Participant)
    return ListTotals(*session.execute(_filtered(columns, study, wanted)).one())


def _filtered(query: Select[*Columns], study: Study, wanted: ParticipantFilter) -> Select[*Columns]:
    query = query.join(Arm, Arm.id == Participant.arm_id).where(Participant.study_id == study.id)
    if wanted.arm:
        query = query.where(Arm.name == wanted.arm)
    if wanted.state:
        query = query.where(Participant.state == wanted.state)
    if wanted.source:
        query = query.where(Participant.source == wanted.source)
    if wanted.flag:
        raised = select(QualityFlag.id).where(QualityFlag.participant_id == Participant.id)
        if wanted.flag != "any":
            raised = raised.where(QualityFlag.kind == wanted.flag)
        query = query.where(raised.exists())
    if wanted.code.strip():
        query = query.where(Participant.completion_code == wanted.code.strip().upper())
    return query


def _order(sort: str) -> tuple[Any, bool]:
    """What participants are sorted by, and whether the largest comes first; who has no value comes last."""
    match sort:
        case "most_flags":
            mine = select(func.count()).where(QualityFlag.participant_id == Participant.id)
            return mine.correlate(Participant).scalar_subquery(), True
        case "least_correct":
            return _of_main(func.avg(cast(Decision.correct, Integer))), False
        case "fastest":
            return _of_main(func.percentile_cont(0.5).within_group(Decision.decision_ms)), False
    return Participant.consented_at, sort == "newest"


def _of_main(number: ColumnElement[Any]) -> ColumnElement[Any]:
    """A number of the main decisions of a participant; without one it is larger than any."""
    mine = (
        select(cast(number, Double))
        .select_from(Trial)
        .join(Decision, Decision.trial_id == Trial.id)
        .where(Trial.participant_id == Participant.id, Trial.kind == TrialKind.MAIN)
        .correlate(Participant)
        .scalar_subquery()
    )
    return func.coalesce(mine, cast("Infinity", Double))


def position(row: AnyRow) -> str:
    """Where a participant stands in the list."""
    value = row.value.isoformat() if isinstance(row.value, datetime) else repr(row.value)
    return f"{value}_{row.Participant.id}"


def _parsed(after: str) -> tuple[datetime | float, UUID]:
    value, _, identity = after.partition("_")
    try:
        is_time = "-" in value
        return datetime.fromisoformat(value) if is_time else float(value), UUID(identity)
    except ValueError:
        raise BadInput("This page of the list does not exist; start again from its first page.") from None


def get_participant(session: Session, study: Study, participant_id: UUID) -> Participant:
    participant = session.get(Participant, participant_id)
    if participant is None or participant.study_id != study.id:
        raise NotFound("There is no such participant in this study.")
    return participant


def arm_names(session: Session, study: Study) -> Sequence[str]:
    return session.scalars(select(Arm.name).where(Arm.study_id == study.id).order_by(Arm.name)).all()


@dataclass(frozen=True, slots=True)
class ParticipantSummary:
    """What one participant has done; accuracy and median times are of main trials.

    Times are in ms, None before the first main decision or annotation.
    """

    trials: int
    decided: int
    accuracy: Proportion
    decision_ms: float | None
    annotation_ms: float | None


def work_by_participant(session: Session, ids: Sequence[UUID]) -> dict[UUID, ParticipantSummary]:
    """Those without a trial (the withdrawn) are missing."""
    main = Trial.kind == TrialKind.MAIN

    def median(column: Any) -> Any:
        return func.percentile_cont(0.5).within_group(column)

    rows = session.execute(
        select(
            Trial.participant_id,
            func.count(Trial.id).label("trials"),
            func.count(Decision.id).label("decided"),
            func.count(Decision.id).filter(main).label("main"),
            func.count(case((Decision.correct, 1))).filter(main).label("correct"),
            median(Decision.decision_ms).filter(main).label("decision_ms"),
            median(Decision.annotation_ms).filter(main).label("annotation_ms"),
        )
        .outerjoin(Decision, Decision.trial_id == Trial.id)
        .where(Trial.participant_id.in_(ids))
        .group_by(Trial.participant_id)
    )
    return {
        row.participant_id: ParticipantSummary(
            trials=row.trials,
            decided=row.decided,
            accuracy=Proportion(row.correct, row.main),
            decision_ms=row.decision_ms,
            annotation_ms=row.annotation_ms,
        )
        for row in rows
    }


def count_flags(session: Session, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Quality flags by participant; those without one are missing."""
    rows = session.execute(
        select(QualityFlag.participant_id, func.count())
        .where(QualityFlag.participant_id.in_(ids))
        .group_by(QualityFlag.participant_id)
    )
    return {participant: count for participant, count in rows}  # noqa: C416
