"""Which pairs a participant is given: places are taken here, and given back in `app.studies.places`.

Whoever takes one holds the lock of `lock_study`. Deciding a trial takes no place (it was taken when the
trial was assigned), so decisions, which are the bulk of the traffic, never wait for that lock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from secrets import SystemRandom
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.models import (
    Arm,
    Pair,
    Participant,
    ParticipantState,
    Question,
    Quota,
    RegionCheck,
    Study,
    Trial,
    TrialKind,
    TrialState,
)
from app.studies.advice import ModelAdvice, advise, said_of_images
from app.studies.memory import TimesMet, candidates

Place = tuple[Pair | RegionCheck, Question]

QUESTIONS: Final = (Question.REAL, Question.FAKE)

random: Final = SystemRandom()


def lock_study(session: Session, study_id: int) -> Study:
    """The study, locked until the transaction ends: one enrolment or release at a time."""
    return session.scalars(
        select(Study).where(Study.id == study_id).with_for_update().execution_options(populate_existing=True)
    ).one()


def choose_arm(session: Session, study: Study) -> Arm | None:
    """The arm with the fewest participants who finished or are at work, among those with places left."""
    counts = and_(
        Participant.arm_id == Arm.id,
        Participant.excluded_at.is_(None),
        or_(
            Participant.state == ParticipantState.FINISHED,
            and_(Participant.state == ParticipantState.ACTIVE, Participant.lease_expires_at >= func.now()),
        ),
    )
    has_place = exists().where(Quota.arm_id == Arm.id, Quota.taken < Quota.wanted)
    return session.scalar(
        select(Arm)
        .outerjoin(Participant, counts)
        .where(Arm.study_id == study.id, has_place)
        .group_by(Arm.id)
        .order_by(func.count(Participant.id), func.random())
        .limit(1)
    )


def has_places(session: Session, study_id: int) -> bool:
    """Whether a newcomer would be given something to judge now; places whose lease has run out count."""
    free = exists().where(Quota.arm_id == Arm.id, Arm.study_id == study_id, Quota.taken < Quota.wanted)
    lapsed = exists().where(
        Trial.participant_id == Participant.id,
        Participant.study_id == study_id,
        Participant.state == ParticipantState.ACTIVE,
        Participant.lease_expires_at < func.now(),
        Trial.kind == TrialKind.MAIN,
        Trial.state == TrialState.ASSIGNED,
    )
    return bool(session.scalar(select(or_(free, lapsed))))


def assign_visit(
    session: Session, participant: Participant, arm: Arm, *, wanted: int, traps: int = 0
) -> None:
    """Give a newcomer everything they will meet: practice, then up to `wanted` main trials among checks.

    traps : main trials that have one, at random
    """
    own = select(Pair).where(Pair.study_id == arm.study_id, Pair.kind != TrialKind.MAIN)
    others = session.scalars(own).all()
    practice = [pair for pair in others if pair.kind is TrialKind.PRACTICE]
    checks: list[Pair | RegionCheck] = [pair for pair in others if pair.kind is TrialKind.CHECK]
    if arm.annotate:
        regions = select(RegionCheck).where(RegionCheck.study_id == arm.study_id)
        checks += session.scalars(regions).all()
    random.shuffle(practice)
    random.shuffle(checks)
    questions = alternating(random.choice(QUESTIONS))
    places: list[Place] = list(zip(practice, questions, strict=False))
    places += _take_places(session, participant, wanted=wanted, checks=checks)
    _add_trials(session, participant, arm, places, traps=traps)


def assign_trials(
    session: Session, participant: Participant, arm: Arm, *, wanted: int, traps: int = 0
) -> None:
    """Give somebody who lost places up to `wanted` others, as long as the study has any."""
    places = _take_places(session, participant, wanted=wanted)
    _add_trials(session, participant, arm, places, traps=traps)


def count_traps(session: Session, participant: Participant) -> int:
    """Of the trials that the participant has or has decided, those with a trap."""
    theirs = (Trial.participant_id == participant.id) & (Trial.state != TrialState.RELEASED)
    return session.scalar(select(func.count()).where(theirs, Trial.has_trap)) or 0


def _take_places(
    session: Session, participant: Participant, *, wanted: int, checks: Sequence[Pair | RegionCheck] = ()
) -> list[Place]:
    """Up to `wanted` main pairs, none of which they have met, with the checks spread among them.

    Questions alternate and the least judged pairs come first. Fewer than `wanted` are taken when the
    study has no more; the questions stop alternating when one of them has run out.
    """
    open_pairs = {
        question: _open_pairs(session, participant, question=question, limit=candidates(wanted))
        for question in QUESTIONS
    }
    left = {pair.id for pairs in open_pairs.values() for pair in pairs}
    planned = plan_places(min(wanted, len(left)), checks, first=random.choice(QUESTIONS))
    asked = [question for check, question in planned if check is None]
    chosen = choose_places(open_pairs, asked=asked, met=_images_met(session, participant))
    for question in QUESTIONS:
        _take(session, participant.arm_id, question, [pair.id for pair, asked in chosen if asked is question])
    offered = {question for _, question in chosen}  # where one has run out, a check that asks it stands out
    main = iter(chosen)
    return [
        (check, question if question in offered else other_question(question)) if check else next(main)
        for check, question in planned
    ]


def plan_places(
    main: int, checks: Sequence[Pair | RegionCheck], *, first: Question
) -> list[tuple[Pair | RegionCheck | None, Question]]:
    """The order of `main` trials and of checks, and what each one asks; None stands for a main trial.

    Checks are neither first nor in one heap: each has its own stretch of the visit, in which its place is
    random. Questions alternate over both, so that they tell no check from the trials around it.
    """
    order: list[Pair | RegionCheck | None] = [None] * main
    for number in reversed(range(len(checks))):
        start, end = (max(1, at * main // len(checks)) for at in (number, number + 1))
        order.insert(random.randrange(start, max(end, start + 1)), checks[number])
    return list(zip(order, alternating(first), strict=False))


def alternating(first: Question) -> Iterator[Question]:
    return cycle([first, other_question(first)])


def other_question(question: Question) -> Question:
    return Question.FAKE if question is Question.REAL else Question.REAL


def choose_places(
    open_pairs: Mapping[Question, Sequence[Pair]], *, asked: Sequence[Question], met: Iterable[int] = ()
) -> list[tuple[Pair, Question]]:
    """For each question asked its next pair that has not been chosen yet; of the other one if it has none.

    Pairs of images that the participant has not met go first, and no image comes again without need:
    `app.studies.memory`.

    met : ids of images, each as often as it was met
    """
    seen, pairs = TimesMet(met), {pair.id: pair for of_one in open_pairs.values() for pair in of_one}
    left = {
        question: {pair.id: (pair.real_image_id, pair.fake_image_id) for pair in of_one}
        for question, of_one in open_pairs.items()
    }
    chosen = []
    for wanted in asked:
        question = wanted if left[wanted] else other_question(wanted)
        if not left[question]:
            break
        number = seen.pick(left[question])
        seen.add((pairs[number].real_image_id, pairs[number].fake_image_id))
        chosen.append((pairs[number], question))
        for of_one in left.values():
            of_one.pop(number, None)
    return chosen


def _images_met(session: Session, participant: Participant) -> list[int]:
    """As often as they were met."""
    met = select(Trial.left_image_id, Trial.right_image_id).where(Trial.participant_id == participant.id)
    return [image for both in session.execute(met) for image in both if image is not None]


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


def _add_trials(
    session: Session, participant: Participant, arm: Arm, places: Sequence[Place], *, traps: int
) -> None:
    """Write the trials of these places after those that the participant has already."""
    last = select(func.max(Trial.position)).where(Trial.participant_id == participant.id)
    start = (session.scalar(last) or 0) + 1
    said = said_of_images(session, arm)
    trapped = _with_trap(places, traps)
    rows = [
        {
            "id": uuid4(),
            "participant_id": participant.id,
            "position": position,
            "state": TrialState.ASSIGNED,
            "has_trap": position - start in trapped,
            **_shown(material, question, arm, said),
        }
        for position, (material, question) in enumerate(places, start)
    ]
    if rows:
        session.execute(insert(Trial), rows)


def _with_trap(places: Sequence[Place], traps: int) -> set[int]:
    """Indices of as many main trials at random, or of all where there are fewer."""
    main = [
        index
        for index, (material, _) in enumerate(places)
        if isinstance(material, Pair) and material.kind is TrialKind.MAIN
    ]
    return set(random.sample(main, min(max(traps, 0), len(main))))


def _shown(
    material: Pair | RegionCheck, question: Question, arm: Arm, said: Mapping[int, ModelAdvice]
) -> dict[str, Any]:
    """What a trial shows and where."""
    shown: dict[str, Any] = dict.fromkeys(("pair_id", "region_check_id", "question", "advice"))
    if isinstance(material, RegionCheck):
        return shown | {
            "kind": TrialKind.CHECK,
            "region_check_id": material.id,
            "left_image_id": material.image_id,
            "right_image_id": None,
        }
    sides = [material.real_image_id, material.fake_image_id]
    random.shuffle(sides)
    left, right = sides
    return shown | {
        "kind": material.kind,
        "pair_id": material.id,
        "question": question,
        "left_image_id": left,
        "right_image_id": right,
        "advice": advise(arm.advice, said[left], said[right]) if said else None,
    }


def retake_trials(session: Session, participant: Participant, *, trials: Iterable[Trial]) -> list[Trial]:
    """Take the places of released trials again, where nobody else did; returns those that were free.

    Practice and checks take no place, so they always are.
    """
    return [trial for trial in trials if _retake(session, participant, trial)]


def _retake(session: Session, participant: Participant, trial: Trial) -> bool:
    if trial.kind is TrialKind.MAIN:
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
        if taken is None:
            return False
    trial.state = TrialState.ASSIGNED
    return True
