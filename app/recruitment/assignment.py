"""Which pairs a participant is given, and how places come back.

A place is one unit of `Quota.taken`. Every function here that changes one runs under the lock of
`lock_study`, so that counting and taking cannot interleave; the check constraint on the table has
the last word. Deciding a trial takes no place (it was taken when the trial was assigned), so
decisions, which are the bulk of the traffic, never wait for that lock.
"""

import secrets
from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import CTE, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from app.errors import QuotaFull
from app.models import (
    Arm,
    Pair,
    Participant,
    ParticipantState,
    Question,
    Quota,
    Study,
    Trial,
    TrialState,
)
from app.security import new_token

Place = tuple[Pair, Question]

QUESTIONS: Final = (Question.REAL, Question.FAKE)


def lock_study(session: Session, study_id: int) -> Study:
    """The study, locked until the transaction ends: one enrolment or release at a time."""
    return session.scalars(
        select(Study).where(Study.id == study_id).with_for_update().execution_options(populate_existing=True)
    ).one()


def release_lapsed(session: Session, study_id: int) -> None:
    """Give back the undecided trials of everyone whose lease has run out."""
    _give_back(
        session,
        update(Trial)
        .where(
            Trial.participant_id == Participant.id,
            Participant.study_id == study_id,
            Participant.state == ParticipantState.ACTIVE,
            Participant.lease_expires_at < func.now(),
            Trial.state == TrialState.ASSIGNED,
        )
        .values(state=TrialState.RELEASED)
        .returning(Participant.arm_id, Trial.pair_id, Trial.question)
        .cte("released"),
    )


def release_trials(session: Session, participant: Participant) -> None:
    """Give back every place that a participant holds, decided or not."""
    _give_back(
        session,
        update(Trial)
        .where(
            Trial.participant_id == Participant.id,
            Participant.id == participant.id,
            Trial.state != TrialState.RELEASED,
        )
        .values(state=TrialState.RELEASED)
        .returning(Participant.arm_id, Trial.pair_id, Trial.question)
        .cte("released"),
    )


def _give_back(session: Session, released: CTE) -> None:
    counted = select(*released.c, func.count().label("places")).group_by(*released.c).subquery()
    session.execute(
        update(Quota)
        .where(
            Quota.arm_id == counted.c.arm_id,
            Quota.pair_id == counted.c.pair_id,
            Quota.question == counted.c.question,
        )
        .values(taken=Quota.taken - counted.c.places)
    )


def choose_arm(session: Session, study: Study) -> Arm:
    """The arm with the fewest participants who finished or are at work, among those with places left."""
    counts = and_(
        Participant.arm_id == Arm.id,
        or_(
            Participant.state == ParticipantState.FINISHED,
            and_(Participant.state == ParticipantState.ACTIVE, Participant.lease_expires_at >= func.now()),
        ),
    )
    has_place = exists().where(Quota.arm_id == Arm.id, Quota.taken < Quota.wanted)
    arm = session.scalar(
        select(Arm)
        .outerjoin(Participant, counts)
        .where(Arm.study_id == study.id, has_place)
        .group_by(Arm.id)
        .order_by(func.count(Participant.id), func.random())
        .limit(1)
    )
    if arm is None:
        raise QuotaFull
    return arm


def assign_trials(session: Session, participant: Participant, *, wanted: int) -> int:
    """Give a participant up to `wanted` more pairs, none of which they have met; returns how many.

    Questions alternate and the least judged pairs come first. Fewer than `wanted` are given when the
    study has no more; the questions stop alternating when one of them has run out.
    """
    places = choose_places(
        {
            question: _open_pairs(session, participant, question=question, limit=3 * wanted)
            for question in QUESTIONS
        },
        wanted=wanted,
        first=secrets.choice(QUESTIONS),
        met=_images_met(session, participant),
    )
    for question in QUESTIONS:
        _take(session, participant.arm_id, question, [pair.id for pair, asked in places if asked is question])
    start = session.scalar(
        select(func.coalesce(func.max(Trial.position), 0)).where(Trial.participant_id == participant.id)
    )
    session.add_all(_trials(participant, places, start=int(start or 0) + 1))
    return len(places)


def choose_places(
    open_pairs: dict[Question, Sequence[Pair]], *, wanted: int, first: Question, met: Iterable[int] = ()
) -> list[Place]:
    """Alternate between the questions, taking each one's next pair that has not been chosen yet.

    Pairs of images that the participant has not met go first: an image that comes again is more often
    the one that was paired more often, and that is no secret of the pixels.
    """
    order = [first, Question.FAKE if first is Question.REAL else Question.REAL]
    chosen: dict[int, Place] = {}
    images = set(met)
    while len(chosen) < wanted and order:
        question = order[len(chosen) % len(order)]
        left = [pair for pair in open_pairs[question] if pair.id not in chosen]
        fresh = (pair for pair in left if not images & {pair.real_image_id, pair.fake_image_id})
        pair = next(fresh, left[0] if left else None)
        if pair is None:
            order.remove(question)
        else:
            chosen[pair.id] = pair, question
            images |= {pair.real_image_id, pair.fake_image_id}
    return list(chosen.values())


def _images_met(session: Session, participant: Participant) -> set[int]:
    met = select(Trial.left_image_id, Trial.right_image_id).where(Trial.participant_id == participant.id)
    return {image for both in session.execute(met) for image in both}


def _open_pairs(
    session: Session, participant: Participant, *, question: Question, limit: int
) -> Sequence[Pair]:
    met = exists().where(Trial.participant_id == participant.id, Trial.pair_id == Quota.pair_id)
    return session.scalars(
        select(Pair)
        .join(Quota, Quota.pair_id == Pair.id)
        .where(
            Quota.arm_id == participant.arm_id,
            Quota.question == question,
            Quota.taken < Quota.wanted,
            ~met,
        )
        .order_by(Quota.taken, func.random())
        .limit(limit)
    ).all()


def _take(session: Session, arm_id: int, question: Question, pairs: Sequence[int]) -> None:
    session.execute(
        update(Quota)
        .where(Quota.arm_id == arm_id, Quota.question == question, Quota.pair_id.in_(pairs))
        .values(taken=Quota.taken + 1)
        .execution_options(synchronize_session=False)
    )


def _trials(participant: Participant, places: Sequence[Place], *, start: int) -> Iterable[Trial]:
    for position, (pair, question) in enumerate(places, start):
        sides = [pair.real_image_id, pair.fake_image_id]
        secrets.SystemRandom().shuffle(sides)
        yield Trial(
            participant_id=participant.id,
            pair_id=pair.id,
            question=question,
            position=position,
            left_image_id=sides[0],
            right_image_id=sides[1],
            left_token=new_token(),
            right_token=new_token(),
        )


def retake_trials(session: Session, participant: Participant, *, trials: Iterable[Trial]) -> list[Trial]:
    """Take the places of released trials again, where nobody else did; returns those that were free."""
    return [trial for trial in trials if _retake(session, participant, trial)]


def _retake(session: Session, participant: Participant, trial: Trial) -> bool:
    taken = session.execute(
        update(Quota)
        .where(
            Quota.arm_id == participant.arm_id,
            Quota.pair_id == trial.pair_id,
            Quota.question == trial.question,
            Quota.taken < Quota.wanted,
        )
        .values(taken=Quota.taken + 1)
        .returning(Quota.pair_id)
        .execution_options(synchronize_session=False)
    ).first()
    if taken is not None:
        trial.state = TrialState.ASSIGNED
    return taken is not None
