"""What an overview reads. Nothing here grows with the number of decisions of a study."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from app.models import (
    Arm,
    Image,
    Listing,
    Pair,
    Participant,
    ParticipantState,
    Payment,
    PaymentState,
    Quota,
    Study,
    Trial,
    TrialKind,
    TrialState,
)
from app.overview.steps import EPOCH
from app.studies.progress import is_at_work, is_held

PAIRS_SHOWN: Final = 8


def pairs_behind(session: Session, study: Study) -> Sequence[Any]:
    """The pairs with the smallest share of what is wanted, with both images; `total` and `complete` of each
    row count all pairs of the study."""
    held = _held(study, Trial.pair_id)
    decided = _decided(held).label("decided")
    wanted = func.sum(Quota.wanted).label("wanted")
    by_pair = (
        select(Quota.pair_id, wanted, decided, func.coalesce(func.max(held.c.held), 0).label("held"))
        .outerjoin(held, held.c.pair_id == Quota.pair_id)
        .where(Quota.arm_id.in_(select(Arm.id).where(Arm.study_id == study.id)))
        .group_by(Quota.pair_id)
        .subquery()
    )
    share = by_pair.c.decided * 1.0 / by_pair.c.wanted
    totals = (
        func.count().over().label("total"),
        func.count().filter(by_pair.c.decided >= by_pair.c.wanted).over().label("complete"),
    )
    worst = select(by_pair, *totals).order_by(share, by_pair.c.pair_id).limit(PAIRS_SHOWN).subquery()
    real, fake = aliased(Image), aliased(Image)
    return session.execute(
        select(
            worst,
            real.id.label("real_image_id"),
            real.original_name.label("real_name"),
            fake.id.label("fake_image_id"),
            fake.original_name.label("fake_name"),
            fake.source,
        )
        .join(Pair, Pair.id == worst.c.pair_id)
        .join(real, real.id == Pair.real_image_id)
        .join(fake, fake.id == Pair.fake_image_id)
        .order_by(worst.c.decided * 1.0 / worst.c.wanted, worst.c.pair_id)
    ).all()


def _held(study: Study, *by: InstrumentedAttribute[Any], where: Sequence[ColumnElement[bool]] = ()) -> Any:
    """Places on lease, counted by these columns."""
    return (
        select(*by, func.count().label("held"))
        .join(Participant, Participant.id == Trial.participant_id)
        .where(is_held([study.id]), *where)
        .group_by(*by)
        .subquery()
    )


def _decided(held: Any) -> ColumnElement[int]:
    """Of quotas in a group beside what is held of it: places that are taken and not only held."""
    return func.sum(Quota.taken) - func.coalesce(func.max(held.c.held), 0)


def pairs_by_arm(session: Session, study: Study, pairs: Sequence[int]) -> Sequence[Any]:
    """Wanted and decided of each of these pairs in each arm."""
    held = _held(study, Trial.pair_id, Participant.arm_id, where=[Trial.pair_id.in_(pairs)])
    return session.execute(
        select(
            Quota.pair_id,
            Arm.name.label("arm"),
            func.sum(Quota.wanted).label("wanted"),
            _decided(held).label("decided"),
        )
        .join(Arm, Arm.id == Quota.arm_id)
        .outerjoin(held, and_(held.c.pair_id == Quota.pair_id, held.c.arm_id == Quota.arm_id))
        .where(Arm.study_id == study.id, Quota.pair_id.in_(pairs))
        .group_by(Quota.pair_id, Arm.id)
        .order_by(Quota.pair_id, Arm.id)
    ).all()


def first_and_last_arrival(session: Session, study: Study) -> Any:
    """(first, last) time of consent; None twice before the first participant."""
    mine = Participant.study_id == study.id
    return session.execute(
        select(func.min(Participant.consented_at), func.max(Participant.consented_at)).where(mine)
    ).one()


def arrivals(session: Session, study: Study, step: timedelta) -> Sequence[Any]:
    """(start of a step, participants who consented in it), in order."""
    at = func.date_bin(step, Participant.consented_at, EPOCH)
    return session.execute(
        select(at, func.count()).where(Participant.study_id == study.id).group_by(at).order_by(at)
    ).all()


def standing(session: Session, study: Study) -> Sequence[Any]:
    """Participants who are on their way or were screened out, counted by where they are: `at_work`,
    `screened_out`, `passed_quiz`, `practises` (a practice trial is undecided), how many of their trials are
    `decided`, and how many they have (`trials`)."""
    undecided = (
        select(
            func.count().label("trials"),
            func.count().filter(Trial.kind == TrialKind.PRACTICE).label("practice"),
        )
        .where(Trial.participant_id == Participant.id, Trial.state != TrialState.DECIDED)
        .lateral()
    )
    last = (
        select(Trial.position)
        .where(Trial.participant_id == Participant.id)
        .order_by(Trial.position.desc())
        .limit(1)
        .lateral()
    )
    key = (
        is_at_work([study.id]).label("at_work"),
        (Participant.state == ParticipantState.SCREENED_OUT).label("screened_out"),
        Participant.quiz_passed_at.is_not(None).label("passed_quiz"),
        (undecided.c.practice > 0).label("practises"),
        (func.coalesce(last.c.position, 0) - undecided.c.trials).label("decided"),
        func.coalesce(last.c.position, 0).label("trials"),
    )
    states = (ParticipantState.ACTIVE, ParticipantState.SCREENED_OUT)
    return session.execute(
        select(*key, func.count().label("number"))
        .select_from(Participant)
        .join(undecided, true())
        .outerjoin(last, true())
        .where(Participant.study_id == study.id, Participant.state.in_(states))
        .group_by(*key)
    ).all()


def practice_pairs(session: Session, study: Study) -> int:
    """Practice trials of each participant."""
    mine = select(func.count()).where(Pair.study_id == study.id, Pair.kind == TrialKind.PRACTICE)
    return session.scalar(mine) or 0


def next_lease_end(session: Session, study: Study) -> datetime | None:
    """When the first lease that runs ends."""
    return session.scalar(select(func.min(Participant.lease_expires_at)).where(is_at_work([study.id])))


def spend(session: Session, study: Study) -> Sequence[Any]:
    """Minor units paid and on their way, by currency."""
    confirmed = Payment.state == PaymentState.CONFIRMED
    is_open = Payment.state.in_((PaymentState.INTENDED, PaymentState.SENT))
    return session.execute(
        select(
            Payment.currency,
            func.coalesce(func.sum(case((confirmed, Payment.amount))), 0).label("paid"),
            func.coalesce(func.sum(case((is_open, Payment.amount))), 0).label("open"),
        )
        .join(Listing, Listing.id == Payment.listing_id)
        .where(Listing.study_id == study.id)
        .group_by(Payment.currency)
        .order_by(Payment.currency)
    ).all()
