"""Recruiting on a marketplace: listed, reviewed, paid. What is asked for, a worker carries out."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import Field
from sqlalchemy.orm import Session

from app.dashboard.recruiting import payments_file
from app.deps import Config, CurrentStaff, Db, Editor, Finance
from app.errors import BadInput
from app.messages import Answer, Body
from app.models import (
    Listing,
    ListingAction,
    ListingState,
    PaymentKind,
    PaymentState,
    Source,
    SubmissionState,
    SubmissionVerdict,
)
from app.recruitment import accounts, ledger, listings, messages, review
from app.recruitment.events import ask_for_visit
from app.recruitment.marketplaces.seam import Cost
from app.studies.service import find_study

router: Final = APIRouter(prefix="/api/studies/{slug}/listing", tags=["recruiting"])
payments: Final = APIRouter(prefix="/api", tags=["recruiting"])


class Quote(Answer):
    """What places would cost, in minor units: pence or cents."""

    rewards: int
    fees: int
    tax: int
    total: int
    currency: str


class ListingView(Answer):
    """A study on a marketplace. Amounts are minor units of `currency`."""

    marketplace: Source
    state: ListingState | None
    """As the marketplace says it; null until it is there."""
    asked: ListingAction | None
    """What a worker has not done yet."""
    places: int
    places_taken: int
    places_wanted: int
    reward: int
    minutes: int
    currency: str
    error: str | None
    """Why the last visit to the marketplace did not do everything."""
    synced_at: datetime | None


class SubmissionView(Answer):
    """A submission beside the visit that it stands for. No id of a marketplace is in it."""

    id: int
    participant: UUID | None
    state: SubmissionState
    verdict: SubmissionVerdict | None
    remark: str
    """Why it is not approved with the others; empty of one that can be."""
    started_at: datetime
    completed_at: datetime | None


class SubmissionList(Answer):
    """Submissions, the newest first."""

    submissions: list[SubmissionView]


class LedgerLine(Answer):
    """What was paid of one kind, and what is on its way, in minor units."""

    kind: PaymentKind
    count: int
    paid: int
    open: int


class LedgerView(Answer):
    """The ledger beside what the marketplace charged."""

    totals: list[LedgerLine]
    paid: int
    open: int
    charged: int | None
    currency: str


class BonusView(Answer):
    """A bonus that is asked for and not confirmed."""

    number: int
    participant: UUID | None
    amount: int
    state: PaymentState
    unshown: bool
    """It was sent, and the marketplace does not show it: say whether it was paid."""
    refusal: str | None
    next_try_at: datetime | None


class Places(Body):
    total: int = Field(ge=1, le=10_000)


class StateChange(Body):
    action: ListingAction


class ChosenSubmissions(Body):
    """Submissions by number; without any, everybody without a remark."""

    submissions: list[int] = Field([], max_length=10_000)


class ReturnRequest(Body):
    submissions: list[int] = Field(min_length=1, max_length=10_000)
    reason: str = Field(min_length=1, max_length=500)


class MessageRequest(Body):
    submissions: list[int] = Field(min_length=1, max_length=1000)
    message: str = Field(min_length=1, max_length=messages.LONGEST)


class RejectionRequest(Body):
    """`confirmed: false` only shows who would be rejected."""

    submissions: list[int] = Field(min_length=1, max_length=10_000)
    category: str = Field(max_length=40)
    message: str = Field(max_length=2000)
    confirmed: bool = False


class ScreenOutRequest(Body):
    """`confirmed: false` only shows who would be screened out, and what it costs."""

    submissions: list[int] = Field(min_length=1, max_length=1000)
    pay: int = Field(ge=1, le=review.MOST_PAID)
    """Of each, in minor units; less than the reward."""
    confirmed: bool = False


class BonusLineBody(Body):
    participant: Annotated[str, Field(min_length=8, max_length=36)]
    """Reference or id."""
    amount: int = Field(ge=1, le=review.MOST_PAID)
    """Minor units."""


class BonusRequest(Body):
    """The same order again pays nothing again."""

    order: UUID
    reason: str = Field("", max_length=200)
    bonuses: list[BonusLineBody] = Field(min_length=1, max_length=1000)


class Asked(Answer):
    """How many of what was asked for is new."""

    count: int


class RejectionView(Answer):
    """Who is rejected, or would be."""

    rejected: bool
    submissions: list[SubmissionView]


class ScreenOutView(Answer):
    """Who is screened out, or would be."""

    screened_out: bool
    cost: Quote | None
    """With fees and tax, at most; null when it is confirmed."""
    submissions: list[SubmissionView]


@router.get("")
def read_listing(db: Db, _staff: CurrentStaff, slug: str) -> ListingView:
    """How a study stands on its marketplace."""
    return _view(_listing(db, slug))


@router.post("/quote")
def quote(
    db: Db,
    config: Config,
    _editor: Editor,
    slug: str,
    terms: listings.Terms,
    marketplace: Source = Source.PROLIFIC,
) -> Quote:
    """What it would cost with fees and tax. Nothing is published."""
    find_study(db, slug)
    key = accounts.key_of(db, marketplace, config)
    db.commit()  # no transaction is open while the marketplace is asked
    return _quote(accounts.price(key, config, terms.reward, terms.places))


@router.post("", status_code=201)
def publish(
    db: Db, editor: Editor, slug: str, terms: listings.Terms, marketplace: Source = Source.PROLIFIC
) -> ListingView:
    """Publish an open study."""
    listing = listings.make_listing(db, find_study(db, slug), marketplace, terms, by=editor.id)
    return _asked(db, listing)


@router.post("/places")
def raise_places(db: Db, _editor: Editor, slug: str, body: Places) -> ListingView:
    """Raise the number of places; it only goes up."""
    listing = _listing(db, slug)
    listings.raise_places(listing, body.total)
    return _asked(db, listing)


@router.post("/sync")
def sync(db: Db, _editor: Editor, slug: str) -> ListingView:
    """Have a worker look at the marketplace now."""
    return _asked(db, _listing(db, slug))


@router.post("/state")
def change_state(db: Db, _editor: Editor, slug: str, body: StateChange) -> ListingView:
    """Pause, resume or stop recruiting."""
    listing = _listing(db, slug)
    listings.ask(listing, body.action)
    return _asked(db, listing)


@router.get("/submissions")
def list_submissions(
    db: Db, _staff: CurrentStaff, slug: str, state: SubmissionState | None = None
) -> SubmissionList:
    """Submissions with the work behind them, the newest first."""
    found = review.submissions(db, _listing(db, slug), state=state, limit=None)
    return SubmissionList(submissions=[_submission(one) for one in found])


@router.post("/submissions/approve")
def approve(db: Db, editor: Editor, slug: str, body: ChosenSubmissions) -> Asked:
    """Pay the reward: of those that are named, or of everybody without a remark."""
    listing = _listing(db, slug)
    found = _chosen(db, listing, body.submissions) if body.submissions else review.clean_ones(db, listing)
    return _counted(db, listing, review.approve(db, listing, found, by=editor.id))


@router.post("/submissions/return")
def request_return(db: Db, editor: Editor, slug: str, body: ReturnRequest) -> Asked:
    """Ask people to return their submission."""
    listing = _listing(db, slug)
    found = _chosen(db, listing, body.submissions)
    return _counted(db, listing, review.request_return(db, listing, found, reason=body.reason, by=editor.id))


@router.post("/submissions/message")
def write_to(db: Db, config: Config, _editor: Editor, slug: str, body: MessageRequest) -> Asked:
    """Send people a message, on the marketplace that they came from."""
    listing = _listing(db, slug)
    found = review.submissions(db, listing, only=body.submissions, limit=None)
    if len(found) < len(set(body.submissions)):
        raise BadInput("One of these numbers is no submission of this study.")
    message = messages.addressed(db, config, listing, [one.submission for one in found], body.message)
    db.commit()  # no transaction is open while the marketplace is asked
    return Asked(count=messages.send(message, config))


@router.post("/submissions/reject")
def reject(db: Db, editor: Editor, slug: str, body: RejectionRequest) -> RejectionView:
    """Show who would be rejected; with `confirmed`, reject them."""
    listing = _listing(db, slug)
    review.check_rejection(listing, body.category, body.message)
    found = _chosen(db, listing, body.submissions)
    if body.confirmed:
        review.reject(db, listing, found, category=body.category, message=body.message, by=editor.id)
        ask_for_visit(db, listing.id)
    return RejectionView(rejected=body.confirmed, submissions=[_submission(one) for one in found])


@router.post("/submissions/screen-out")
def screen_out(db: Db, config: Config, editor: Editor, slug: str, body: ScreenOutRequest) -> ScreenOutView:
    """Show who would be screened out and what it costs; with `confirmed`, screen them out for this pay."""
    listing = _listing(db, slug)
    found, cost = _chosen(db, listing, body.submissions), None
    if body.confirmed:
        review.screen_out(db, listing, found, pay=body.pay, by=editor.id)
        ask_for_visit(db, listing.id)
        db.flush()
    else:
        review.check_screen_out(db, listing, found, body.pay)
        key = accounts.key_of(db, listing.marketplace, config)
        db.commit()  # no transaction is open while the marketplace is asked
        cost = _quote(accounts.price(key, config, body.pay, len(found)))
    shown = [_submission(one) for one in found]
    return ScreenOutView(screened_out=body.confirmed, cost=cost, submissions=shown)


@router.get("/bonuses")
def list_open_bonuses(db: Db, config: Config, _editor: Editor, slug: str) -> list[BonusView]:
    """Bonuses that are asked for and not confirmed."""
    found = ledger.open_bonuses(db, _listing(db, slug), settle=config.bonuses_settle)
    return [_bonus(one) for one in found]


@router.post("/bonuses")
def ask_for_bonuses(db: Db, editor: Editor, slug: str, body: BonusRequest) -> Asked:
    """Pay bonuses, each once."""
    listing = _listing(db, slug)
    if len({one.participant for one in body.bonuses}) < len(body.bonuses):
        raise BadInput("A participant stands there twice.")
    found = review.payable(db, listing, [one.participant for one in body.bonuses])
    lines = [review.BonusLine(to, one.amount) for to, one in zip(found, body.bonuses, strict=True)]
    count = review.ask_for_bonuses(db, listing, lines, order=body.order, reason=body.reason, by=editor.id)
    return _counted(db, listing, count)


@router.post("/bonuses/{number}/{answer}")
def settle_bonus(
    db: Db,
    config: Config,
    _editor: Editor,
    slug: str,
    number: int,
    answer: Literal["paid", "again", "cancel"],
) -> list[BonusView]:
    """Say what the marketplace shows of a bonus that was sent, or cancel one that was not."""
    listing = _listing(db, slug)
    payment = ledger.find_bonus(db, listing, number)
    match answer:
        case "paid":
            ledger.confirm_bonus(payment, settle=config.bonuses_settle)
        case "again":
            ledger.pay_bonus_again(payment, settle=config.bonuses_settle)
            ask_for_visit(db, listing.id)
        case _:
            ledger.cancel_bonus(payment)
    db.flush()
    return [_bonus(one) for one in ledger.open_bonuses(db, listing, settle=config.bonuses_settle)]


@router.get("/ledger")
def read_ledger(db: Db, _staff: Finance, slug: str) -> LedgerView:
    """What was paid, beside what the marketplace charged."""
    listing = _listing(db, slug)
    found = ledger.balance(db, listing)
    lines = [
        LedgerLine(kind=one.kind, count=one.count, paid=one.paid.minor, open=one.open.minor)
        for one in found.totals
    ]
    return LedgerView(
        totals=lines,
        paid=found.paid.minor,
        open=found.open.minor,
        charged=found.charged.minor if found.charged else None,
        currency=listing.currency,
    )


@payments.get("/studies/{slug}/payments.csv", response_class=Response)
def payments_csv(request: Request, db: Db, _staff: Finance, slug: str) -> Response:
    """Every payment of a study as CSV, without any id of a marketplace."""
    return payments_file(request, db, find_study(db, slug))


@payments.get("/payments.csv", response_class=Response)
def all_payments_csv(request: Request, db: Db, _staff: Finance) -> Response:
    """Every payment of every study as CSV."""
    return payments_file(request, db, None)


def _listing(db: Session, slug: str) -> Listing:
    return listings.find_listing(db, find_study(db, slug))


def _asked(db: Session, listing: Listing) -> ListingView:
    ask_for_visit(db, listing.id)
    return _view(listing)


def _counted(db: Session, listing: Listing, count: int) -> Asked:
    ask_for_visit(db, listing.id)
    return Asked(count=count)


def _chosen(db: Session, listing: Listing, ids: list[int]) -> list[review.Reviewed]:
    """`BadInput` for a number that is no submission of the listing, or that waits for no verdict."""
    found = {one.submission.id: one for one in review.submissions(db, listing, only=ids, limit=None)}
    for number in ids:
        if number not in found:
            raise BadInput(f"There is no submission {number}.")
        if not found[number].is_open:
            raise BadInput(f"Submission {number} waits for no verdict any more.")
    return [found[number] for number in ids]


def _view(listing: Listing) -> ListingView:
    return ListingView(**{name: getattr(listing, name) for name in ListingView.model_fields})


def _quote(cost: Cost) -> Quote:
    return Quote(
        rewards=cost.rewards,
        fees=cost.fees,
        tax=cost.tax,
        total=cost.total.minor,
        currency=cost.currency,
    )


def _submission(one: review.Reviewed) -> SubmissionView:
    return SubmissionView(
        id=one.submission.id,
        participant=one.submission.participant_id,
        state=one.submission.state,
        verdict=one.submission.verdict,
        remark=one.problem,
        started_at=one.submission.started_at,
        completed_at=one.submission.completed_at,
    )


def _bonus(one: ledger.OpenBonus) -> BonusView:
    return BonusView(
        number=one.payment.id,
        participant=one.participant_id,
        amount=one.payment.amount,
        state=one.payment.state,
        unshown=one.is_unshown,
        refusal=one.payment.refusal,
        next_try_at=one.payment.next_try_at,
    )
