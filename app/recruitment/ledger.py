"""The ledger: every payment, bonus and fee of a listing is a row.

    intended ──► sent ──► confirmed
       │  ▲       │           ▲
       │  └───────┘           │   not paid, says the marketplace
       │                      │   the marketplace did it by itself
       └──► cancelled         └── (or a row that is new)

A row is written before the marketplace is called, and its key is unique: however often something is asked
for, and wherever a process dies, it is one row. Only what the marketplace shows makes a row confirmed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Row, case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import (
    REFERENCE_LENGTH,
    Listing,
    Participant,
    Payment,
    PaymentKind,
    PaymentState,
    Staff,
    Study,
    Submission,
    SubmissionState,
)
from app.recruitment.marketplaces.seam import Cost, Money
from saliency.files.spreadsheets import cell

PAID: Final = {
    SubmissionState.APPROVED: PaymentKind.REWARD,
    SubmissionState.SCREENED_OUT: PaymentKind.SCREEN_OUT,
}
"""What has been paid to a submission in these states."""

UNPAID: Final = (SubmissionState.RETURNED, SubmissionState.TIMED_OUT, SubmissionState.REJECTED)


def key_of(kind: PaymentKind, submission: Submission, what: str = "") -> str:
    return ":".join((kind, str(submission.id), *([what] if what else [])))


def amount_of(listing: Listing, kind: PaymentKind) -> int | None:
    """What the listing pays for it; None where it pays nothing."""
    return listing.reward if kind is PaymentKind.REWARD else listing.screen_out_reward


def intend(
    session: Session,
    listing: Listing,
    submission: Submission,
    kind: PaymentKind,
    *,
    key: str,
    amount: int,
    reason: str | None = None,
    by: int | None = None,
) -> bool:
    """Write down that something is to be paid; False when it is written down already."""
    row = insert(Payment).values(
        listing_id=listing.id,
        submission_id=submission.id,
        key=key,
        kind=kind,
        amount=amount,
        currency=listing.currency,
        state=PaymentState.INTENDED,
        reason=reason,
        created_by=by,
    )
    return (
        session.scalar(row.on_conflict_do_nothing(index_elements=["key"]).returning(Payment.id)) is not None
    )


def mark_sent(session: Session, payments: Iterable[int]) -> None:
    session.execute(
        update(Payment)
        .where(Payment.id.in_(list(payments)), Payment.state == PaymentState.INTENDED)
        .values(state=PaymentState.SENT, sent_at=func.now())
    )


def confirm(session: Session, payments: Iterable[int]) -> None:
    session.execute(
        update(Payment)
        .where(Payment.id.in_(list(payments)), Payment.state != PaymentState.CONFIRMED)
        .values(state=PaymentState.CONFIRMED, confirmed_at=func.now())
    )


def send_again(session: Session, payments: Iterable[int]) -> None:
    """Back to where they were before the call that never arrived."""
    session.execute(
        update(Payment)
        .where(Payment.id.in_(list(payments)), Payment.state == PaymentState.SENT)
        .values(state=PaymentState.INTENDED, sent_at=None, batch=None, paid_before=None)
    )


def settle(session: Session, listing: Listing, submissions: Iterable[Submission]) -> None:
    """Bring rewards and screen-out payments to what the states of submissions show."""
    for submission in submissions:
        kind = PAID.get(submission.state)
        amount = kind and amount_of(listing, kind)
        if kind and amount:
            _confirm_shown(session, listing, submission, kind, amount)
        elif submission.state in UNPAID:
            _cancel(session, submission)


def _confirm_shown(
    session: Session, listing: Listing, submission: Submission, kind: PaymentKind, amount: int
) -> None:
    row = insert(Payment).values(
        listing_id=listing.id,
        submission_id=submission.id,
        key=key_of(kind, submission),
        kind=kind,
        amount=amount,
        currency=listing.currency,
        state=PaymentState.CONFIRMED,
        confirmed_at=func.now(),
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["key"],
            set_={"state": PaymentState.CONFIRMED, "confirmed_at": func.now()},
            where=Payment.state != PaymentState.CONFIRMED,
        )
    )


def _cancel(session: Session, submission: Submission) -> None:
    """Nobody is rewarded any more for a submission that is gone; bonuses stay."""
    session.execute(
        update(Payment)
        .where(
            Payment.submission_id == submission.id,
            Payment.kind == PaymentKind.REWARD,
            Payment.state.in_((PaymentState.INTENDED, PaymentState.SENT)),
        )
        .values(state=PaymentState.CANCELLED)
    )


def book_charges(session: Session, listing: Listing, cost: Cost) -> None:
    """Book what fees and tax have grown by. The caller is alone at the listing."""
    for kind, total in ((PaymentKind.FEE, cost.fees), (PaymentKind.TAX, cost.tax)):
        of_kind = (Payment.listing_id == listing.id, Payment.kind == kind)
        booked, count = session.execute(
            select(func.coalesce(func.sum(Payment.amount), 0), func.count()).where(*of_kind)
        ).one()
        if total != booked:
            session.add(
                Payment(
                    listing_id=listing.id,
                    key=f"{kind}:{listing.id}:{count + 1}",
                    kind=kind,
                    amount=total - int(booked),
                    currency=listing.currency,
                    state=PaymentState.CONFIRMED,
                    confirmed_at=func.now(),
                )
            )
            session.flush()


@dataclass(frozen=True, slots=True)
class Total:
    """Of one kind: what has been paid, and what is still on its way."""

    kind: PaymentKind
    count: int
    paid: Money
    open: Money


@dataclass(frozen=True, slots=True)
class Balance:
    """The ledger beside what the marketplace charged; None where it has not said anything yet."""

    totals: Sequence[Total]
    paid: Money
    open: Money
    charged: Money | None

    @property
    def difference(self) -> Money | None:
        """What the marketplace has charged and the ledger does not know; zero where both agree."""
        return self.charged and Money(self.charged.minor - self.paid.minor, self.paid.currency)


def balance(session: Session, listing: Listing) -> Balance:
    confirmed = Payment.state == PaymentState.CONFIRMED
    is_open = Payment.state.in_((PaymentState.INTENDED, PaymentState.SENT))
    rows = session.execute(
        select(
            Payment.kind,
            func.count().filter(confirmed).label("rows"),
            func.coalesce(func.sum(case((confirmed, Payment.amount))), 0).label("paid"),
            func.coalesce(func.sum(case((is_open, Payment.amount))), 0).label("open"),
        )
        .where(Payment.listing_id == listing.id)
        .group_by(Payment.kind)
    ).all()
    found = {row.kind: row for row in rows}

    def money(minor: int) -> Money:
        return Money(int(minor), listing.currency)

    totals = [
        Total(kind, found[kind].rows, money(found[kind].paid), money(found[kind].open))
        for kind in PaymentKind
        if kind in found
    ]
    charged = money(sum(listing.charged.values())) if listing.charged is not None else None
    paid, is_on_its_way = sum(row.paid for row in rows), sum(row.open for row in rows)
    return Balance(totals, money(paid), money(is_on_its_way), charged)


LEDGER_SIZE: Final = 100


def newest(
    session: Session, listing: Listing, *, limit: int = LEDGER_SIZE
) -> Sequence[Row[Payment, UUID | None]]:
    """Payment, and the id of the participant or None; the newest first."""
    return session.execute(
        select(Payment, Submission.participant_id)
        .outerjoin(Submission, Submission.id == Payment.submission_id)
        .where(Payment.listing_id == listing.id)
        .order_by(Payment.id.desc())
        .limit(limit)
    ).all()


HEADER: Final = (
    "payment", "study", "marketplace", "kind", "state", "amount", "currency",
    "participant", "reason", "asked_by", "intended_at", "sent_at", "confirmed_at",
)  # fmt: skip


def payment_lines(session: Session, study: Study | None = None) -> Iterator[Sequence[object]]:
    """For accountants: no id of any marketplace, the oldest first; of one study, or of all."""
    query = (
        select(Payment, Study.slug, Listing.marketplace, Participant.id, Staff.email)
        .join(Listing, Listing.id == Payment.listing_id)
        .join(Study, Study.id == Listing.study_id)
        .outerjoin(Submission, Submission.id == Payment.submission_id)
        .outerjoin(Participant, Participant.id == Submission.participant_id)
        .outerjoin(Staff, Staff.id == Payment.created_by)
        .order_by(Payment.id)
    )
    if study is not None:
        query = query.where(Study.id == study.id)
    for payment, slug, marketplace, participant, staff in session.execute(query):
        moments = (payment.intended_at, payment.sent_at, payment.confirmed_at)
        yield (
            payment.id, slug, marketplace, payment.kind, payment.state,
            Money(payment.amount, payment.currency).decimal, payment.currency,
            participant.hex[:REFERENCE_LENGTH] if participant else "",
            cell(payment.reason or ""), cell(staff or ""),
            *(moment.isoformat() if moment else "" for moment in moments),
        )  # fmt: skip
