"""A visit to a marketplace: do what staff asked for, then write down what the marketplace shows.

What is asked for is in the database before a visit begins, and what was done is looked up and not
remembered. So a visit may die anywhere: the next one sees what is there and does the rest. One visit to a
listing at a time; no transaction is open while the marketplace is called.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.db import SessionFactory, named_locks
from app.errors import AppError, MarketplaceRefused, WrongState
from app.models import (
    Listing,
    ListingAction,
    ListingState,
    Participant,
    ParticipantState,
    Payment,
    PaymentKind,
    PaymentState,
    Study,
    Submission,
    SubmissionState,
    SubmissionVerdict,
    WorkerIdentity,
)
from app.recruitment import ledger
from app.recruitment.accounts import AccountKey, account_of, key_of, opened
from app.recruitment.events import EVENTS_PATH
from app.recruitment.listings import offer_of
from app.recruitment.marketplaces.registry import EVENT_READERS
from app.recruitment.marketplaces.seam import Bonus, Listed, Marketplace, Money, Offer, Submitted
from app.recruitment.review import REFUSED
from app.security import token_box
from app.settings import Settings

logger = logging.getLogger(__name__)

BONUSES_AT_ONCE: Final = 200

GONE: Final = (SubmissionState.RETURNED, SubmissionState.TIMED_OUT)
"""States of people who are not coming back to the task."""

TOLD_ONCE: Final = (SubmissionVerdict.REQUEST_RETURN, SubmissionVerdict.SCREEN_OUT)
"""Verdicts that the marketplace is not told a second time."""

REACHED: Final = {
    ListingAction.PUBLISH: (ListingState.PUBLISHED, ListingState.FULL, ListingState.STOPPED),
    ListingAction.PAUSE: (ListingState.PAUSED, ListingState.FULL, ListingState.STOPPED),
    ListingAction.RESUME: (ListingState.PUBLISHED, ListingState.FULL, ListingState.STOPPED),
    ListingAction.STOP: (ListingState.STOPPED,),
}
"""The states in which nothing is left to do of an action."""


def visit(sessions: SessionFactory, settings: Settings, listing_id: int) -> None:
    """One visit. Its error is kept with the listing, and raised.

    `WrongState`: another process is on a visit to this listing.
    """
    with named_locks(sessions, {f"listing {listing_id}": "This listing is being worked on already."}):
        try:
            with opened(_key(sessions, settings, listing_id), settings) as market:
                _listen(sessions, market, settings)
                MarketVisit(sessions, market, listing_id, public_url=settings.public_url).run()
        except AppError as error:
            _note(sessions, listing_id, str(error))
            raise
        except (LookupError, TypeError, ValueError):
            _note(sessions, listing_id, "The marketplace answered something that Cyborg does not know.")
            raise
        _note(sessions, listing_id, None)


def _key(sessions: SessionFactory, settings: Settings, listing_id: int) -> AccountKey:
    """Without an account a visit is refused, not put off: only staff can change that."""
    with sessions() as session:
        listing = session.get_one(Listing, listing_id)
        try:
            return key_of(session, listing.marketplace, settings)
        except WrongState as error:
            raise MarketplaceRefused(str(error)) from None


def _listen(sessions: SessionFactory, market: Marketplace, settings: Settings) -> None:
    """Have events sent to us, once; without them the periodic visits find everything, only later."""
    if market.source not in EVENT_READERS or not is_reachable(settings):
        return
    with sessions() as session:
        if account_of(session, market.source).sealed_hook_secret is not None:
            return
    try:
        secret = market.listen(f"{settings.public_url}{EVENTS_PATH.format(source=market.source)}")
    except MarketplaceRefused as refused:
        logger.warning("no events", extra={"action": "marketplace_events", "error": str(refused)})
        return
    with sessions.begin() as session:
        sealed = token_box(session, settings).seal(secret, of=f"{market.source} events")
        account_of(session, market.source).sealed_hook_secret = sealed


def is_reachable(settings: Settings) -> bool:
    """Whether a marketplace sends events here: to https alone, except when it runs on this machine, too."""
    return settings.public_url.startswith("https:") or settings.prolific_url.startswith("http:")


def _note(sessions: SessionFactory, listing_id: int, error: str | None) -> None:
    with sessions.begin() as session:
        listing = session.get_one(Listing, listing_id)
        listing.error = error
        if error is None:
            listing.synced_at = func.now()


@dataclass(frozen=True, slots=True)
class MarketVisit:
    """The steps of a visit, in their order. Each looks first and acts then."""

    sessions: SessionFactory
    market: Marketplace
    listing_id: int
    public_url: str

    def run(self) -> None:
        listed = self._offer()
        listed = self._raise_places(listed)
        self._act(listed)
        self._pull(listed.id)
        if self._carry_out_verdicts(listed.id):
            self._pull(listed.id)
        self._look_for_bonuses()
        refused = self._pay_bonuses(listed.id)
        self._look_for_bonuses()
        self._read_charges(listed.id)
        if refused:
            raise MarketplaceRefused(refused)

    # ---- the study ----

    def _offer(self) -> Listed:
        """The study on the marketplace; made where there is none under its reference."""
        with self.sessions() as session:
            listing = session.get_one(Listing, self.listing_id)
            study = session.get_one(Study, listing.study_id)
            known, group_name, has_group = listing.external_id, f"cyborg {study.slug}", listing.group_id
        if known:
            return self._write(self.market.look(known))
        if not has_group:
            group = self.market.group(group_name)
            with self.sessions.begin() as session:
                session.get_one(Listing, self.listing_id).group_id = group
        offer = self._terms()
        return self._write(self.market.find(offer.reference) or self.market.create(offer))

    def _terms(self) -> Offer:
        with self.sessions() as session:
            listing = session.get_one(Listing, self.listing_id)
            study = session.get_one(Study, listing.study_id)
            return offer_of(session, study, listing, public_url=self.public_url)

    def _raise_places(self, listed: Listed) -> Listed:
        with self.sessions() as session:
            wanted = session.get_one(Listing, self.listing_id).places_wanted
        if wanted <= listed.places:
            return listed
        self.market.raise_places(listed.id, wanted, self._terms())
        return self._write(self.market.look(listed.id))

    def _act(self, listed: Listed) -> None:
        with self.sessions() as session:
            asked = session.get_one(Listing, self.listing_id).asked
        if asked is None:
            return
        if listed.state not in REACHED[asked]:
            self._do(listed, asked)
        self._write(self.market.look(listed.id), done=asked)

    def _do(self, listed: Listed, asked: ListingAction) -> None:
        try:
            self.market.act(listed.id, asked, self._terms())
        except MarketplaceRefused:
            # A call whose answer was lost is refused the second time, because it was done.
            if self.market.look(listed.id).state not in REACHED[asked]:
                raise

    def _write(self, listed: Listed, *, done: ListingAction | None = None) -> Listed:
        with self.sessions.begin() as session:
            listing = session.get_one(Listing, self.listing_id, with_for_update=True)
            listing.external_id, listing.state = listed.id, listed.state
            listing.places, listing.places_taken = listed.places, listed.places_taken
            if listing.asked is done:  # staff may have asked for something else meanwhile
                listing.asked = None
        return listed

    # ---- submissions ----

    def _pull(self, listed_id: str) -> None:
        """Write down what is new or has changed, and settle what is paid for it."""
        shown = self.market.submissions(listed_id)
        self._enlist(shown)
        with self.sessions.begin() as session:
            listing = session.get_one(Listing, self.listing_id)
            changed = _keep(session, listing, shown)
            match_participants(session, listing)
            session.flush()
            end_leases(session, changed)
            ledger.settle(session, listing, changed)

    def _enlist(self, shown: Sequence[Submitted]) -> None:
        """Put who is new on the list of who took part, before it is written down that they are known."""
        with self.sessions() as session:
            group = session.get_one(Listing, self.listing_id).group_id
            query = select(Submission.external_id).where(Submission.listing_id == self.listing_id)
            known = set(session.scalars(query))
        new = [one.worker for one in shown if one.id not in known]
        if group and new:
            self.market.enlist(group, new)

    def _carry_out_verdicts(self, listed_id: str) -> bool:
        """Tell the marketplace what staff decided; whether it was told anything."""
        refused: list[str] = []
        screened = self._waiting(SubmissionVerdict.SCREEN_OUT)
        for one in screened:
            self._screen_out(listed_id, one)
        waiting = self._waiting(SubmissionVerdict.APPROVE)
        if waiting:
            self.market.approve([one.external_id for one in waiting])
            self._note_verdicts(waiting, paid=True)
        returns, rejections = (
            self._waiting(SubmissionVerdict.REQUEST_RETURN),
            self._waiting(SubmissionVerdict.REJECT),
        )
        for one in (*returns, *rejections):
            try:
                self._send_verdict(one)
            except MarketplaceRefused as error:
                refused.append(str(error))
                continue
            self._note_verdicts([one])
        if refused:
            raise MarketplaceRefused(refused[0])
        return bool(screened or waiting or returns or rejections)

    def _screen_out(self, listed_id: str, one: Submission) -> None:
        """Write down that it is being sent, and only then send it: a second call may pay a second time.

        What the marketplace refuses stands beside the submission, which waits for another verdict.
        """
        with self.sessions.begin() as session:
            kept = session.get_one(Submission, one.id, with_for_update=True)
            if kept.verdict is not SubmissionVerdict.SCREEN_OUT or kept.told_at is not None:
                return
            kept.told_at = datetime.now(UTC)
            query = select(Payment).where(Payment.key == ledger.key_of(PaymentKind.SCREEN_OUT, kept))
            payment = session.scalars(query).one()
            pay = Money(payment.amount, payment.currency)
            ledger.mark_sent(session, [payment.id])
        try:
            self.market.screen_out(listed_id, one.external_id, pay)
        except MarketplaceRefused as error:
            with self.sessions.begin() as session:
                kept = session.get_one(Submission, one.id, with_for_update=True)
                kept.verdict, kept.told_at = None, None
                kept.verdict_detail = {REFUSED: str(error)}
                ledger.drop_screen_out(session, kept, str(error))

    def _waiting(self, verdict: SubmissionVerdict) -> Sequence[Submission]:
        """Submissions whose verdict the marketplace does not show yet."""
        query = select(Submission).where(
            Submission.listing_id == self.listing_id,
            Submission.verdict == verdict,
            Submission.state == SubmissionState.AWAITING_REVIEW,
        )
        if verdict in TOLD_ONCE:
            query = query.where(Submission.told_at.is_(None))
        with self.sessions() as session:
            return session.scalars(query.order_by(Submission.id)).all()

    def _send_verdict(self, one: Submission) -> None:
        detail = one.verdict_detail or {}
        if one.verdict is SubmissionVerdict.REJECT:
            self.market.reject(one.external_id, detail["category"], detail["message"])
        else:
            self.market.request_return(one.external_id, detail["reason"])

    def _note_verdicts(self, submissions: Sequence[Submission], *, paid: bool = False) -> None:
        with self.sessions.begin() as session:
            ids = [one.id for one in submissions]
            for one in session.scalars(select(Submission).where(Submission.id.in_(ids))):
                one.told_at = one.told_at or datetime.now(UTC)
            if paid:
                query = select(Payment.id).where(
                    Payment.submission_id.in_(ids), Payment.kind == PaymentKind.REWARD
                )
                ledger.mark_sent(session, session.scalars(query).all())

    # ---- bonuses ----

    def _pay_bonuses(self, listed_id: str) -> str:
        """Set bonuses up, write down that they are being sent, and only then send them.

        A death before the last step leaves rows that are marked as sent, which nothing sends again.
        What the marketplace refuses waits, and the others go on.
        """
        refused = ""
        while batch := self._next_bonuses():
            try:
                self._pay_batch(listed_id, batch)
            except MarketplaceRefused as error:
                refused = str(error)
                with self.sessions.begin() as session:
                    ledger.note_refusal(session, [row.id for row, _ in batch], refused)
        return refused

    def _pay_batch(self, listed_id: str, batch: Sequence[tuple[Payment, str]]) -> None:
        counts = [self.market.bonuses_of(submission).count(row.amount) for row, submission in batch]
        late = [
            row.id
            for (row, _), count in zip(batch, counts, strict=True)
            if row.paid_before is not None and count > row.paid_before
        ]
        if late:  # staff did not see them, and now they show
            with self.sessions.begin() as session:
                ledger.confirm(session, late)
        left = [(*one, count) for one, count in zip(batch, counts, strict=True) if one[0].id not in late]
        if not left:
            return
        bonuses = [
            Bonus(submission, Money(row.amount, row.currency), row.key, row.reason)
            for row, submission, _ in left
        ]
        made = self.market.set_up_bonuses(listed_id, bonuses)
        with self.sessions.begin() as session:
            going = [row.id for row, *_ in left if self._is_wanted(session, row.id)]
            if len(going) < len(left):
                return  # staff have just cancelled one: the next batch is without it
            for row, _, count in left:
                kept = session.get_one(Payment, row.id)
                kept.batch, kept.paid_before = made.id, count
            ledger.mark_sent(session, going)
        self.market.pay_bonuses(made.id, bonuses)

    @staticmethod
    def _is_wanted(session: Session, payment_id: int) -> bool:
        row = session.get(Payment, payment_id, with_for_update=True, populate_existing=True)
        return row is not None and row.state is PaymentState.INTENDED

    def _next_bonuses(self) -> list[tuple[Payment, str]]:
        """Bonuses to pay with the submission's id there; of one submission the oldest, and none while one
        of its bonuses is on its way: what the marketplace shows then tells whether that one arrived.

        One that was refused before is alone in its batch, so that it holds up no other.
        """
        busy = select(Payment.submission_id).where(
            Payment.listing_id == self.listing_id,
            Payment.kind == PaymentKind.BONUS,
            Payment.state == PaymentState.SENT,
        )
        first = (
            select(func.min(Payment.id))
            .where(
                Payment.listing_id == self.listing_id,
                Payment.kind == PaymentKind.BONUS,
                Payment.state == PaymentState.INTENDED,
                Payment.submission_id.not_in(busy),
            )
            .group_by(Payment.submission_id)
        )
        is_due = Payment.next_try_at.is_(None) | (Payment.next_try_at <= func.now())
        query = (
            select(Payment, Submission.external_id)
            .join(Submission, Submission.id == Payment.submission_id)
            .where(Payment.id.in_(first), Submission.state.in_(HAVE_BONUSES), is_due)
            .order_by(Payment.refusals > 0, Payment.id)
            .limit(BONUSES_AT_ONCE)
        )
        with self.sessions() as session:
            found = [(row.Payment, row.external_id) for row in session.execute(query)]
        fresh = [one for one in found if not one[0].refusals]
        return fresh or found[:1]

    def _look_for_bonuses(self) -> None:
        """Confirm the bonuses that the marketplace shows. Those that it should show by now wait for staff,
        unless the marketplace pays each once however often it is sent."""
        query = (
            select(Payment, Submission.external_id)
            .join(Submission, Submission.id == Payment.submission_id)
            .where(
                Payment.listing_id == self.listing_id,
                Payment.kind == PaymentKind.BONUS,
                Payment.state == PaymentState.SENT,
            )
        )
        with self.sessions() as session:
            sent = session.execute(query).all()
        shown, lost = [], []
        overdue = datetime.now(UTC) - self.market.bonuses_settle
        for row in sent:
            payment = row.Payment
            if self.market.bonuses_of(row.external_id).count(payment.amount) > (payment.paid_before or 0):
                shown.append(payment.id)
            elif self.market.pays_once and payment.sent_at < overdue:
                lost.append(payment.id)
        with self.sessions.begin() as session:
            ledger.confirm(session, shown)
            ledger.send_again(session, lost)

    # ---- money ----

    def _read_charges(self, listed_id: str) -> None:
        cost = self.market.charged(listed_id)
        with self.sessions.begin() as session:
            listing = session.get_one(Listing, self.listing_id)
            ledger.book_charges(session, listing, cost)
            listing.charged = {
                "rewards": cost.rewards,
                "bonuses": cost.bonuses,
                "fees": cost.fees,
                "tax": cost.tax,
            }


SHOWN: Final = ("state", "code", "completed_at", "return_requested_at")
"""What of a submission may change on the marketplace."""

HAVE_BONUSES: Final = (SubmissionState.APPROVED, SubmissionState.AWAITING_REVIEW)


def _keep(session: Session, listing: Listing, shown: Iterable[Submitted]) -> list[Submission]:
    """Submissions as the marketplace has them; those that are new or differ from what was known."""
    query = select(Submission).where(Submission.listing_id == listing.id)
    known = {row.external_id: row for row in session.scalars(query)}
    changed = []
    for one in shown:
        row = known.get(one.id)
        if row is None:
            row = Submission(
                listing_id=listing.id, external_id=one.id, worker_id=one.worker, started_at=one.started_at
            )
            session.add(row)
        elif all(getattr(row, name) == getattr(one, name) for name in SHOWN):
            continue
        for name in SHOWN:
            setattr(row, name, getattr(one, name))
        changed.append(row)
    return changed


def match_participants(session: Session, listing: Listing) -> None:
    """Whose visit each submission is: by its own id, which the visit came with, or by the person's."""
    unmatched = select(Submission).where(
        Submission.listing_id == listing.id, Submission.participant_id.is_(None)
    )
    waiting = session.scalars(unmatched).all()
    if not waiting:
        return
    known = session.execute(
        select(WorkerIdentity.participant_id, WorkerIdentity.external_id, WorkerIdentity.assignment_id).where(
            WorkerIdentity.study_id == listing.study_id, WorkerIdentity.source == listing.marketplace
        )
    ).all()
    by_session = {row.assignment_id: row.participant_id for row in known if row.assignment_id}
    by_worker = {row.external_id: row.participant_id for row in known}
    for one in waiting:
        one.participant_id = by_session.get(one.external_id) or by_worker.get(one.worker_id)


def end_leases(session: Session, changed: Iterable[Submission]) -> None:
    """Let the places of people who gave the task back, or ran out of its time, go to others.

    Whoever goes on all the same takes their places again, where nobody else has.
    """
    gone = [one.participant_id for one in changed if one.state in GONE and one.participant_id is not None]
    if not gone:
        return
    session.execute(
        update(Participant)
        .where(
            Participant.id.in_(gone),
            Participant.state == ParticipantState.ACTIVE,
            Participant.lease_expires_at > func.now(),
        )
        .values(lease_expires_at=func.now())
    )


def open_listings(session: Session) -> Iterable[int]:
    """Listings that a worker has to look at: something is asked for, or may change there."""
    live = Listing.state.is_(None) | Listing.state.not_in((ListingState.STOPPED, ListingState.DRAFT))
    waits = select(Payment.id).where(
        Payment.listing_id == Listing.id, Payment.state.in_((PaymentState.INTENDED, PaymentState.SENT))
    )
    judged = select(Submission.id).where(
        Submission.listing_id == Listing.id,
        Submission.state.in_(
            (SubmissionState.AWAITING_REVIEW, SubmissionState.ACTIVE, SubmissionState.RESERVED)
        ),
    )
    wanted = live | Listing.asked.is_not(None) | waits.exists() | judged.exists()
    return session.scalars(select(Listing.id).where(wanted).order_by(Listing.id)).all()
