"""Giving places back.

A place is one unit of `Quota.taken`. Whoever calls these holds the lock on the study's row, so that counting
and taking cannot interleave; the check constraint on the table has the last word.
"""

from sqlalchemy import CTE, ColumnElement, case, func, select, update
from sqlalchemy.orm import Session

from app.models import Participant, ParticipantState, Quota, Trial, TrialKind, TrialState


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


def take_places_again(session: Session, participant: Participant) -> int:
    """Count the judgements of a participant as taken again; returns how many are now more than were wanted.

    Those that others have made meanwhile stay, too: there more are wanted from then on.
    """
    theirs = (
        select(Trial.pair_id, Trial.question)
        .where(
            Trial.participant_id == participant.id,
            Trial.kind == TrialKind.MAIN,
            Trial.state == TrialState.DECIDED,
        )
        .subquery()
    )
    same = (
        Quota.arm_id == participant.arm_id,
        Quota.pair_id == theirs.c.pair_id,
        Quota.question == theirs.c.question,
    )
    full = session.scalar(select(func.count()).where(*same, Quota.taken == Quota.wanted)) or 0
    session.execute(
        update(Quota)
        .where(*same)
        .values(taken=Quota.taken + 1, wanted=func.greatest(Quota.wanted, Quota.taken + 1))
    )
    return full


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
