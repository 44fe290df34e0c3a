"""Submissions as staff review them: what each one's work is like, and what is to become of it.

Nothing here talks to a marketplace. What staff decide is written down; a worker carries it out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from app.errors import BadInput, WrongState
from app.models import (
    REFERENCE_LENGTH,
    Listing,
    Participant,
    ParticipantState,
    PaymentKind,
    QualityFlag,
    Submission,
    SubmissionState,
    SubmissionVerdict,
)
from app.recruitment.ledger import has_open_bonus, intend, intend_screen_out, key_of
from app.recruitment.marketplaces.registry import MARKETPLACES, REJECTION_RULES, SCREENS_OUT

PAGE_SIZE: Final = 100

MOST_PAID: Final = 20_000
"""Minor units of one bonus or reward: a slip of the keyboard pays nobody a thousand pounds."""

SCREEN_OUT_SHOWS: Final = timedelta(hours=1)
"""After that long a marketplace shows that it has screened somebody out."""

REFUSED: Final = "refused"
"""Key in the detail of a submission: why the marketplace did not screen the person out."""

Sorting = Literal["newest", "oldest", "state", "flags"]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A submission beside the visit that it stands for."""

    submission: Submission
    participant: Participant | None
    flags: int
    is_expected_code: bool

    @property
    def reference(self) -> str:
        return self.participant.id.hex[:REFERENCE_LENGTH] if self.participant else "–"

    @property
    def is_clean(self) -> bool:
        """Whether the visit was finished, brought the code of that, and has no quality flag."""
        return (
            self.submission.state is SubmissionState.AWAITING_REVIEW
            and self.participant is not None
            and self.participant.state is ParticipantState.FINISHED
            and self.is_expected_code
            and not self.flags
            and not self.screen_out_refusal
        )

    @property
    def is_open(self) -> bool:
        """Whether a verdict can still be given."""
        return self.submission.state is SubmissionState.AWAITING_REVIEW and (
            not self.submission.verdict or self.is_unshown_screen_out
        )

    @property
    def is_unshown_screen_out(self) -> bool:
        """The marketplace was told to screen the person out, had time to show it, and does not."""
        told = self.submission.told_at
        return (
            self.submission.verdict is SubmissionVerdict.SCREEN_OUT
            and self.submission.state is SubmissionState.AWAITING_REVIEW
            and told is not None
            and told < datetime.now(UTC) - SCREEN_OUT_SHOWS
        )

    @property
    def screen_out_refusal(self) -> str:
        """What the marketplace said when it refused to screen the person out; empty without one."""
        detail = self.submission.verdict_detail or {}
        return "" if self.submission.verdict else str(detail.get(REFUSED, ""))

    @property
    def problem(self) -> str:
        """Why a submission is not approved with the others, in words; empty of one that is."""
        if self.screen_out_refusal:
            return f"not screened out: {self.screen_out_refusal}"
        if self.is_unshown_screen_out:
            return "sent to be screened out, and the marketplace does not show it: look there first"
        if self.participant is None:
            return "no visit with this id"
        if self.participant.state is not ParticipantState.FINISHED:
            return f"the visit is {self.participant.state.replace('_', ' ')}"
        if not self.is_expected_code:
            return "another completion code" if self.submission.code else "no completion code"
        return f"{self.flags} quality flag{'s' if self.flags > 1 else ''}" if self.flags else ""


def submissions(
    session: Session,
    listing: Listing,
    *,
    state: SubmissionState | None = None,
    sorting: Sorting = "newest",
    only: Sequence[int] | None = None,
    offset: int = 0,
    limit: int | None = PAGE_SIZE,
) -> list[Reviewed]:
    """Those of a listing; `only`: these ids."""
    flags = (
        select(func.count())
        .where(QualityFlag.participant_id == Submission.participant_id)
        .correlate(Submission)
        .scalar_subquery()
    )
    orders: dict[Sorting, Any] = {
        "newest": (Submission.started_at.desc(),),
        "oldest": (Submission.started_at,),
        "state": (Submission.state, Submission.started_at.desc()),
        "flags": (flags.desc(), Submission.started_at.desc()),
    }
    query = (
        select(Submission, Participant, flags)
        .outerjoin(Participant, Participant.id == Submission.participant_id)
        .where(_wanted(listing, state, only))
        .order_by(*orders[sorting], Submission.id)
        .offset(offset)
        .limit(limit)
    )
    expected = listing.codes.get("finished")
    return [_reviewed(row, expected) for row in session.execute(query)]


def _wanted(
    listing: Listing, state: SubmissionState | None, only: Sequence[int] | None
) -> ColumnElement[bool]:
    conditions = [Submission.listing_id == listing.id]
    if state is not None:
        conditions.append(Submission.state == state)
    if only is not None:
        conditions.append(Submission.id.in_(only))
    return and_(*conditions)


def _reviewed(row: Any, expected: str | None) -> Reviewed:
    submission, participant, flags = row
    return Reviewed(
        submission, participant, flags, submission.code is not None and submission.code == expected
    )


def counts(session: Session, listing: Listing) -> dict[SubmissionState, int]:
    query = (
        select(Submission.state, func.count())
        .where(Submission.listing_id == listing.id)
        .group_by(Submission.state)
    )
    return {state: count for state, count in session.execute(query)}  # noqa: C416


def clean_ones(session: Session, listing: Listing) -> list[Reviewed]:
    waiting = submissions(session, listing, state=SubmissionState.AWAITING_REVIEW, limit=None)
    return [one for one in waiting if one.is_clean and one.is_open]


def approve(session: Session, listing: Listing, chosen: Sequence[Reviewed], *, by: int | None) -> int:
    """Ask for the reward of each that waits for a verdict; returns how many that are."""
    approved = 0
    for one in _lock(session, listing, chosen):
        _judge(one, SubmissionVerdict.APPROVE, None, by=by)
        approved += intend(
            session,
            listing,
            one,
            PaymentKind.REWARD,
            key=key_of(PaymentKind.REWARD, one),
            amount=listing.reward,
            by=by,
        )
    return approved


def request_return(
    session: Session, listing: Listing, chosen: Sequence[Reviewed], *, reason: str, by: int | None
) -> int:
    reason = reason.strip()
    if not reason:
        raise BadInput("Say why, in a sentence: they read it.")
    waiting = _lock(session, listing, chosen)
    for one in waiting:
        _judge(one, SubmissionVerdict.REQUEST_RETURN, {"reason": reason}, by=by)
    return len(waiting)


def check_rejection(listing: Listing, category: str, message: str) -> None:
    """`BadInput` for a rejection that the marketplace would not take."""
    rules = REJECTION_RULES[listing.marketplace]
    if category not in rules.categories:
        raise BadInput("Choose what the rejection is for.")
    if len(message.strip()) < rules.shortest:
        left = rules.shortest - len(message.strip())
        raise BadInput(
            f"Explain it in at least {rules.shortest} characters: they read it. {left} are missing."
        )


def reject(
    session: Session,
    listing: Listing,
    chosen: Sequence[Reviewed],
    *,
    category: str,
    message: str,
    by: int | None,
) -> int:
    """Ask for rejections that staff have seen in a preview."""
    check_rejection(listing, category, message)
    waiting = _lock(session, listing, chosen)
    for one in waiting:
        _judge(one, SubmissionVerdict.REJECT, {"category": category, "message": message.strip()}, by=by)
    return len(waiting)


def check_screen_out(session: Session, listing: Listing, chosen: Sequence[Reviewed], pay: int) -> None:
    """`WrongState` or `BadInput` where nobody can be screened out for this pay."""
    name = MARKETPLACES[listing.marketplace]
    if listing.marketplace not in SCREENS_OUT:
        raise WrongState(f"{name} has no screen-out: approve or reject the work.")
    if not listing.staff_screen_out:
        raise WrongState(
            f"The study was published without leave for staff to screen people out, so {name} refuses it."
        )
    if not 0 < pay < listing.reward:
        raise BadInput("Who is screened out is paid something, and less than the reward.")
    if has_open_bonus(session, [one.submission.id for one in chosen]):
        raise WrongState("A bonus of one of them is not paid for sure yet; settle it first.")


def screen_out(
    session: Session, listing: Listing, chosen: Sequence[Reviewed], *, pay: int, by: int | None
) -> int:
    """Ask for screen-outs that staff have seen in a preview, each for the same pay in minor units."""
    check_screen_out(session, listing, chosen, pay)
    waiting = _lock(session, listing, chosen)
    for one in waiting:
        _judge(one, SubmissionVerdict.SCREEN_OUT, {"pay": pay}, by=by)
        intend_screen_out(session, listing, one, amount=pay, by=by)
    return len(waiting)


def _lock(session: Session, listing: Listing, chosen: Sequence[Reviewed]) -> Sequence[Submission]:
    """Those that still wait for a verdict; nobody else gives them one meanwhile."""
    unshown = and_(
        Submission.verdict == SubmissionVerdict.SCREEN_OUT,
        Submission.told_at < datetime.now(UTC) - SCREEN_OUT_SHOWS,
    )
    return session.scalars(
        select(Submission)
        .where(
            Submission.listing_id == listing.id,
            Submission.id.in_([one.submission.id for one in chosen]),
            Submission.state == SubmissionState.AWAITING_REVIEW,
            or_(Submission.verdict.is_(None), unshown),
        )
        .order_by(Submission.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def _judge(
    submission: Submission, verdict: SubmissionVerdict, detail: dict[str, Any] | None, *, by: int | None
) -> None:
    submission.verdict, submission.verdict_detail = verdict, detail
    submission.verdict_by, submission.verdict_at = by, datetime.now(UTC)
    submission.told_at = None


def find(session: Session, listing: Listing, references: Sequence[str]) -> list[Reviewed]:
    """Submissions by the references of their participants; `BadInput` for one that nobody has."""
    everybody = submissions(session, listing, limit=None)
    by_reference = {one.reference: one for one in everybody if one.participant}
    wanted = [reference.strip().lower()[:REFERENCE_LENGTH] for reference in references]
    if missing := [reference for reference in wanted if reference not in by_reference]:
        raise BadInput(f"No submission belongs to {missing[0]}.")
    return [by_reference[reference] for reference in wanted]


@dataclass(frozen=True, slots=True)
class BonusLine:
    """One bonus before it is asked for."""

    to: Reviewed
    amount: int


def bonus_amounts(text: str) -> dict[str, int]:
    """Amounts in minor units by reference, of lines `reference, amount`, the amount as people write it: 1.50.

    `BadInput` names the line.
    """
    parsed: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        reference, _, amount = line.replace(";", ",").replace("\t", ",").partition(",")
        reference = reference.strip().lower()[:REFERENCE_LENGTH]
        if reference in parsed:
            raise BadInput(f"Line {number}: {reference} stands here twice.")
        try:
            parsed[reference] = minor_units(amount)
        except BadInput as error:
            raise BadInput(f"Line {number}: {error}") from None
    if not parsed:
        raise BadInput("Write a line for each bonus: the participant's reference, a comma, the amount.")
    return parsed


def parse_bonuses(session: Session, listing: Listing, text: str) -> list[BonusLine]:
    """`bonus_amounts`, each with the submission that it is for."""
    parsed = bonus_amounts(text)
    found = payable(session, listing, list(parsed))
    return [BonusLine(one, amount) for one, amount in zip(found, parsed.values(), strict=True)]


def payable(session: Session, listing: Listing, references: Sequence[str]) -> list[Reviewed]:
    """Submissions by references of participants; `WrongState` where one can get no bonus."""
    found = find(session, listing, references)
    unpaid = [
        one
        for one in found
        if one.submission.state not in (SubmissionState.APPROVED, SubmissionState.AWAITING_REVIEW)
    ]
    if unpaid:
        state = unpaid[0].submission.state.replace("_", " ")
        raise WrongState(f"The submission of {unpaid[0].reference} is {state}: it gets no bonus.")
    return found


def minor_units(text: str) -> int:
    """Pence or cents of an amount as people write it, 1.50; `BadInput` for what is none."""
    whole, point, cents = text.strip().partition(".")
    is_amount = whole.isdecimal() and (not point or (cents.isdecimal() and len(cents) <= 2))
    minor = int(whole) * 100 + int(cents.ljust(2, "0") if cents else 0) if is_amount else 0
    if not 0 < minor <= MOST_PAID:
        raise BadInput(f"“{text.strip()[:20]}” is no amount between 0.01 and {MOST_PAID // 100}.")
    return minor


def ask_for_bonuses(
    session: Session,
    listing: Listing,
    lines: Sequence[BonusLine],
    *,
    order: UUID,
    reason: str,
    by: int | None,
) -> int:
    """Write bonuses down once; returns how many are new.

    order : made by the preview; the same one again asks for nothing again
    """
    return sum(
        intend(
            session,
            listing,
            line.to.submission,
            PaymentKind.BONUS,
            key=key_of(PaymentKind.BONUS, line.to.submission, str(order)),
            amount=line.amount,
            reason=reason.strip() or None,
            by=by,
        )
        for line in lines
    )
