"""The ledger: every payment, bonus and fee of a listing is a row.

    intended ──► sent ──► confirmed
       │  ▲       │           ▲
       │  └───────┘           │   refused, or not paid, say staff
       │                      │   the marketplace did it by itself
       └──► cancelled         └── (or a row that is new)

A row is written before the marketplace is called, and its key is unique: however often something is asked
for, and wherever a process dies, it is one row. What the marketplace shows makes a row confirmed, and of a
bonus that it does not show what staff say. Nothing pays a bonus a second time by itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import Row, case, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import NotFound, WrongState
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

OPEN: Final = (PaymentState.INTENDED, PaymentState.SENT)

FIRST_WAIT: Final = timedelta(minutes=2)
"""After the first refusal; after each further one twice as long."""

LONGEST_WAIT: Final = timedelta(hours=12)

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
        **_values(listing, submission, kind, amount, key=key),
        state=PaymentState.INTENDED,
        reason=reason,
        created_by=by,
    )
    return (
        session.scalar(row.on_conflict_do_nothing(index_elements=["key"]).returning(Payment.id)) is not None
    )


def intend_screen_out(
    session: Session, listing: Listing, submission: Submission, *, amount: int, by: int | None
) -> None:
    """Write down once what somebody is paid who is screened out; what is not paid takes the new amount."""
    kind = PaymentKind.SCREEN_OUT
    asked = {"amount": amount, "state": PaymentState.INTENDED, "created_by": by}
    row = insert(Payment).values(
        **(_values(listing, submission, kind, amount, key=key_of(kind, submission)) | asked)
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["key"],
            set_=asked | {"sent_at": None, "refusal": None},
            where=Payment.state != PaymentState.CONFIRMED,
        )
    )


def has_open_bonus(session: Session, submissions: Iterable[int]) -> bool:
    """Whether a bonus of one of them is asked for and not confirmed."""
    query = select(Payment.id).where(
        Payment.submission_id.in_(list(submissions)),
        Payment.kind == PaymentKind.BONUS,
        Payment.state.in_(OPEN),
    )
    return session.scalar(query.limit(1)) is not None


def drop_screen_out(session: Session, submission: Submission, said: str) -> None:
    """The marketplace refused to screen somebody out: nobody is paid for it."""
    session.execute(
        update(Payment)
        .where(Payment.key == key_of(PaymentKind.SCREEN_OUT, submission), Payment.state.in_(OPEN))
        .values(state=PaymentState.CANCELLED, refusal=said)
    )


def _values(
    listing: Listing, submission: Submission, kind: PaymentKind, amount: int, *, key: str
) -> dict[str, object]:
    """What every row for a submission says."""
    return {
        "listing_id": listing.id,
        "submission_id": submission.id,
        "key": key,
        "kind": kind,
        "amount": amount,
        "currency": listing.currency,
    }


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
    """Back to where they were, on a marketplace that pays a bonus once however often it is sent."""
    session.execute(
        update(Payment)
        .where(Payment.id.in_(list(payments)), Payment.state == PaymentState.SENT)
        .values(state=PaymentState.INTENDED, sent_at=None, batch=None, paid_before=None)
    )


def note_refusal(session: Session, payments: Iterable[int], said: str) -> None:
    """The marketplace paid none of these: ask again later, each time after a longer while."""
    rows = session.scalars(
        select(Payment).where(Payment.id.in_(list(payments)), Payment.state.in_(OPEN)).with_for_update()
    )
    for row in rows:
        row.state, row.sent_at, row.batch, row.paid_before = PaymentState.INTENDED, None, None, None
        row.refusals += 1
        row.refusal = said
        row.next_try_at = datetime.now(UTC) + min(FIRST_WAIT * 2 ** (row.refusals - 1), LONGEST_WAIT)


# ---- what only staff can say ----


@dataclass(frozen=True, slots=True)
class OpenBonus:
    """A bonus that is not paid for sure, and what staff can do about it."""

    payment: Payment
    participant_id: UUID | None
    is_unshown: bool
    """It was sent, and the marketplace had time to show it and does not."""

    @property
    def reference(self) -> str:
        return self.participant_id.hex[:REFERENCE_LENGTH] if self.participant_id else "–"

    @property
    def is_cancellable(self) -> bool:
        return self.payment.state is PaymentState.INTENDED


def open_bonuses(session: Session, listing: Listing, *, settle: timedelta) -> list[OpenBonus]:
    """Bonuses that are asked for and not confirmed, the oldest first."""
    rows = session.execute(
        select(Payment, Submission.participant_id)
        .join(Submission, Submission.id == Payment.submission_id)
        .where(Payment.listing_id == listing.id, Payment.kind == PaymentKind.BONUS, Payment.state.in_(OPEN))
        .order_by(Payment.id)
    )
    return [OpenBonus(row, participant, _is_unshown(row, settle)) for row, participant in rows]


def _is_unshown(payment: Payment, settle: timedelta) -> bool:
    if payment.state is not PaymentState.SENT or payment.sent_at is None:
        return False
    return payment.sent_at < datetime.now(UTC) - settle


def find_bonus(session: Session, listing: Listing, number: int) -> Payment:
    """Lock one of a listing's bonuses: a worker may be about to pay it."""
    payment = session.get(Payment, number, with_for_update=True, populate_existing=True)
    if payment is None or payment.listing_id != listing.id or payment.kind is not PaymentKind.BONUS:
        raise NotFound(f"This study has no bonus {number}.")
    return payment


def cancel_bonus(payment: Payment) -> None:
    """Nobody is paid; `WrongState` for one that was sent."""
    if payment.state is not PaymentState.INTENDED:
        raise WrongState(f"This bonus is {payment.state}: it cannot be cancelled.")
    payment.state, payment.next_try_at = PaymentState.CANCELLED, None


def confirm_bonus(payment: Payment, *, settle: timedelta) -> None:
    """Staff have seen at the marketplace that it was paid."""
    _check_unshown(payment, settle)
    payment.state, payment.confirmed_at = PaymentState.CONFIRMED, datetime.now(UTC)


def pay_bonus_again(payment: Payment, *, settle: timedelta) -> None:
    """Staff have seen at the marketplace that it was not paid.

    `paid_before` stays: where the marketplace shows it after all, it is confirmed and not paid again.
    """
    _check_unshown(payment, settle)
    payment.state, payment.sent_at, payment.batch = PaymentState.INTENDED, None, None


def _check_unshown(payment: Payment, settle: timedelta) -> None:
    if not _is_unshown(payment, settle):
        raise WrongState("The marketplace may still show this bonus by itself.")


def settle(session: Session, listing: Listing, submissions: Iterable[Submission]) -> None:
    """Bring rewards and screen-out payments to what the states of submissions show."""
    for submission in submissions:
        kind = PAID.get(submission.state)
        if kind:
            _confirm_shown(session, listing, submission, kind)
        if kind or submission.state in UNPAID:
            _cancel(session, submission, {PaymentKind.REWARD, PaymentKind.SCREEN_OUT} - {kind})


def _confirm_shown(session: Session, listing: Listing, submission: Submission, kind: PaymentKind) -> None:
    """What staff asked for at its amount; what the marketplace paid by itself at that of the listing."""
    known = select(Payment.amount).where(Payment.key == key_of(kind, submission))
    amount = session.scalar(known) or amount_of(listing, kind)
    if amount is None:
        return
    row = insert(Payment).values(
        **_values(listing, submission, kind, amount, key=key_of(kind, submission)),
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


def _cancel(session: Session, submission: Submission, kinds: Iterable[PaymentKind | None]) -> None:
    """Nobody is paid so any more for a submission that is gone, or was paid otherwise; bonuses stay."""
    session.execute(
        update(Payment)
        .where(
            Payment.submission_id == submission.id,
            Payment.kind.in_(kinds),
            Payment.state.in_(OPEN),
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
    is_open = Payment.state.in_(OPEN)
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
