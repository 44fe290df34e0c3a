"""What an overview reads. Nothing here grows with the number of decisions of a study."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import CTE, Integer, and_, any_, cast, func, select, true
from sqlalchemy.orm import Session, aliased

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
from app.studies.progress import is_at_work, is_held

PAIRS_SHOWN: Final = 8


def pairs_behind(session: Session, study: Study) -> Sequence[Any]:
    """The pairs with the smallest share of what is wanted, with both images: a row for each arm of a pair,
    with `wanted_of_arm` and `decided_of_arm`; `total` and `complete` of each row count all pairs of the
    study."""
    in_arm = _pairs_in_arms(study)
    by_pair = (
        select(
            in_arm.c.pair_id,
            func.sum(in_arm.c.wanted).label("wanted"),
            func.sum(in_arm.c.decided).label("decided"),
            func.sum(in_arm.c.held).label("held"),
        )
        .group_by(in_arm.c.pair_id)
        .subquery()
    )
    share = by_pair.c.decided * 1.0 / by_pair.c.wanted
    over_all = (
        func.count().over().label("total"),
        func.count().filter(by_pair.c.decided >= by_pair.c.wanted).over().label("complete"),
    )
    first = select(by_pair, share.label("share"), *over_all).order_by(share, by_pair.c.pair_id)
    worst = first.limit(PAIRS_SHOWN).subquery()
    real, fake = aliased(Image), aliased(Image)
    return session.execute(
        select(
            worst,
            Arm.name.label("arm"),
            in_arm.c.wanted.label("wanted_of_arm"),
            in_arm.c.decided.label("decided_of_arm"),
            real.id.label("real_image_id"),
            real.original_name.label("real_name"),
            fake.id.label("fake_image_id"),
            fake.original_name.label("fake_name"),
            fake.source,
        )
        .join(in_arm, in_arm.c.pair_id == worst.c.pair_id)
        .join(Arm, Arm.id == in_arm.c.arm_id)
        .join(Pair, Pair.id == worst.c.pair_id)
        .join(real, real.id == Pair.real_image_id)
        .join(fake, fake.id == Pair.fake_image_id)
        .order_by(worst.c.share, worst.c.pair_id, Arm.id)
    ).all()


def _pairs_in_arms(study: Study) -> CTE:
    """Judgements of each pair in each arm: `wanted`, `held`, and `decided`, which are the places that are
    taken and not only held."""
    held = (
        select(Trial.pair_id, Participant.arm_id, func.count().label("held"))
        .join(Participant, Participant.id == Trial.participant_id)
        .where(is_held([study.id]))
        .group_by(Trial.pair_id, Participant.arm_id)
        .subquery()
    )
    # As integers: what is added up of them again would be numeric, which is slow.
    on_lease = cast(func.coalesce(func.max(held.c.held), 0), Integer)
    mine = select(Arm.id).where(Arm.study_id == study.id)
    return (
        select(
            Quota.pair_id,
            Quota.arm_id,
            cast(func.sum(Quota.wanted), Integer).label("wanted"),
            (cast(func.sum(Quota.taken), Integer) - on_lease).label("decided"),
            on_lease.label("held"),
        )
        .outerjoin(held, and_(held.c.pair_id == Quota.pair_id, held.c.arm_id == Quota.arm_id))
        .where(Quota.arm_id.in_(mine))
        .group_by(Quota.pair_id, Quota.arm_id)
        .cte()
    )


def standing(session: Session, study: Study) -> Sequence[Any]:
    """Participants who are on their way or were screened out, counted by where they are: `at_work`,
    `screened_out`, `passed_quiz`, `practises` (a practice trial is undecided), how many of their trials are
    `decided`, and how many they have (`trials`)."""
    mine = Trial.participant_id == Participant.id
    undecided = (
        select(
            func.count().label("trials"),
            func.count().filter(Trial.kind == TrialKind.PRACTICE).label("practice"),
            func.max(Trial.position).label("last"),
        )
        .where(mine, Trial.state != TrialState.DECIDED)
        .lateral()
    )
    # Trials are decided in their order: who has undecided ones has the last of all among them.
    every = select(func.max(Trial.position).label("last")).where(mine, undecided.c.trials == 0).lateral()
    last = func.coalesce(undecided.c.last, every.c.last, 0)
    key = (
        is_at_work([study.id]).label("at_work"),
        (Participant.state == ParticipantState.SCREENED_OUT).label("screened_out"),
        Participant.quiz_passed_at.is_not(None).label("passed_quiz"),
        (undecided.c.practice > 0).label("practises"),
        (last - undecided.c.trials).label("decided"),
        last.label("trials"),
    )
    states = (ParticipantState.ACTIVE, ParticipantState.SCREENED_OUT)
    return session.execute(
        select(*key, func.count().label("number"))
        .select_from(Participant)
        .join(undecided, true())
        .outerjoin(every, true())
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


def spend(session: Session, study: Study) -> Sequence[tuple[str, int, int]]:
    """(currency, minor units paid, and on their way), by currency."""
    # As an array, and in the order of their index: added up as they are read.
    mine = func.array(select(Listing.id).where(Listing.study_id == study.id).scalar_subquery())
    each = (Payment.listing_id, Payment.state, Payment.kind, Payment.currency)
    rows = session.execute(
        select(Payment.currency, Payment.state, func.sum(Payment.amount).label("amount"))
        .where(Payment.listing_id == any_(mine))
        .group_by(*each)
    ).all()
    paid, on_way = Counter[str](), Counter[str]()
    for currency, state, amount in rows:
        if state is PaymentState.CONFIRMED:
            paid[currency] += int(amount)
        elif state in (PaymentState.INTENDED, PaymentState.SENT):
            on_way[currency] += int(amount)
    return [(one, paid[one], on_way[one]) for one in sorted({currency for currency, _, _ in rows})]
