"""Giving places back.

A place is one unit of `Quota.taken`. Whoever calls these holds the lock on the study's row, so that counting
and taking cannot interleave; the check constraint on the table has the last word.
"""

from sqlalchemy import CTE, ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from app.models import Participant, ParticipantState, Quota, Trial, TrialState


def release_undecided(session: Session, *whose: ColumnElement[bool]) -> None:
    """Give back the undecided trials of the participants for whom `whose` is true."""
    give_back(
        session,
        update(Trial)
        .where(Trial.participant_id == Participant.id, Trial.state == TrialState.ASSIGNED, *whose)
        .values(state=TrialState.RELEASED)
        .returning(Participant.arm_id, Trial.pair_id, Trial.question)
        .cte("released"),
    )


def release_lapsed(session: Session, study_id: int) -> None:
    """Give back the undecided trials of everyone whose lease has run out."""
    release_undecided(
        session,
        Participant.study_id == study_id,
        Participant.state == ParticipantState.ACTIVE,
        Participant.lease_expires_at < func.now(),
    )


def give_back_places(session: Session, participant: Participant) -> None:
    """Give back every place that a participant holds; what is decided stays decided."""
    undecided = Trial.state == TrialState.ASSIGNED
    give_back(
        session,
        update(Trial)
        .where(
            Trial.participant_id == Participant.id,
            Participant.id == participant.id,
            Trial.state != TrialState.RELEASED,
        )
        .values(state=case((undecided, TrialState.RELEASED.value), else_=Trial.state))
        .returning(Participant.arm_id, Trial.pair_id, Trial.question)
        .cte("given_back"),
    )


def give_back(session: Session, places: CTE) -> None:
    """Count `places`, rows of arm, pair and question, as free again."""
    counted = select(*places.c, func.count().label("places")).group_by(*places.c).subquery()
    session.execute(
        update(Quota)
        .where(
            Quota.arm_id == counted.c.arm_id,
            Quota.pair_id == counted.c.pair_id,
            Quota.question == counted.c.question,
        )
        .values(taken=Quota.taken - counted.c.places)
    )
