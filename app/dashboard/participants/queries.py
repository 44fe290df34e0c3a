"""Participants and their work, as the pages list them. Nobody is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, Select, case, func, select, tuple_
from sqlalchemy.orm import Session

from accuracy.statistics.proportions import Proportion
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


class ParticipantFilter(Fields):
    """The query of the list's address."""

    arm: str = ""
    state: ParticipantState | Literal[""] = ""
    source: Source | Literal[""] = ""
    flag: str = ""
    """A kind of quality flag, or "any"."""
    code: str = ""
    """A completion code: what participants have in hand when they write."""
    after: str = ""
    """The `position` of the last participant seen."""


def list_participants(
    session: Session, study: Study, wanted: ParticipantFilter
) -> Sequence[Row[Participant, str]]:
    """Participant and name of the arm, the newest first; one more than a page, to tell of a next one."""
    query = _newest_first(study, wanted.after)
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
    return session.execute(query).all()


def position(row: Row[Participant, str]) -> str:
    """Where a participant stands in the list."""
    return f"{row.Participant.consented_at.isoformat()}_{row.Participant.id}"


def _newest_first(study: Study, after: str) -> Select[Participant, str]:
    query = (
        select(Participant, Arm.name.label("arm"))
        .join(Arm, Arm.id == Participant.arm_id)
        .where(Participant.study_id == study.id)
        .order_by(Participant.consented_at.desc(), Participant.id.desc())
        .limit(PAGE_SIZE + 1)
    )
    if not after:
        return query
    return query.where(tuple_(Participant.consented_at, Participant.id) < tuple_(*_parsed(after)))


def _parsed(after: str) -> tuple[datetime, UUID]:
    moment, _, identity = after.partition("_")
    try:
        return datetime.fromisoformat(moment), UUID(identity)
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
