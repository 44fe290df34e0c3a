"""The page Recruit of a study. Worker ids are on none of its pages."""

import csv
import io
from typing import Annotated, Any, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response
from pydantic import Field
from sqlalchemy.orm import Session

from app.deps import Admin, Config, CurrentStaff, Db, Editor, Finance, note_download
from app.errors import BadInput
from app.flash import Flash, leave_for
from app.forms import Fields
from app.models import (
    Listing,
    ListingAction,
    MarketplaceAccount,
    Source,
    Study,
    SubmissionState,
)
from app.recruitment import accounts, ledger, links, listings, messages, review
from app.recruitment.events import ask_for_visit
from app.recruitment.marketplaces.registry import MARKETPLACES, REJECTION_RULES
from app.recruitment.marketplaces.seam import Money
from app.studies.service import find_study
from app.web import page

router: Final = APIRouter(prefix="/staff/studies/{slug}/recruit", include_in_schema=False)
everywhere: Final = APIRouter(prefix="/staff", include_in_schema=False)

SOURCE: Final = Source.PROLIFIC
"""The marketplace on which this page publishes; a listing of another one is shown, reviewed and paid."""

NOBODY_MARKED: Final = "Mark the submissions to review first"


class Shown(Fields):
    """The query of the page's address: which submissions, in which order."""

    state: SubmissionState | None = None
    sorting: review.Sorting = "newest"
    start: int = Field(0, ge=0, le=1_000_000)


@router.get("")
def recruit(
    request: Request,
    db: Db,
    config: Config,
    staff: CurrentStaff,
    slug: str,
    shown: Annotated[Shown, Query()],
) -> HTMLResponse:
    study = find_study(db, slug)
    listing = listings.listing_of(db, study)
    source = listing.marketplace if listing else SOURCE
    account = db.get(MarketplaceAccount, source)
    context: dict[str, Any] = {"account": account, "shown": shown, "name": MARKETPLACES[source]}
    context["is_main"] = source is SOURCE
    context["links"] = links.counts(db, study)
    if listing is not None:
        context |= _listing_context(db, listing, shown, sees_rows=staff.role.may_see_payments)
        context["open_bonuses"] = ledger.open_bonuses(db, listing, settle=config.bonuses_settle)
    return page(request, "staff/recruit.html", study=study, listing=listing, **context)


def _listing_context(db: Session, listing: Listing, shown: Shown, *, sees_rows: bool) -> dict[str, Any]:
    found = review.submissions(
        db,
        listing,
        state=shown.state,
        sorting=shown.sorting,
        offset=shown.start,
        limit=review.PAGE_SIZE + 1,
    )
    clean = review.clean_ones(db, listing)
    return {
        "submissions": found[: review.PAGE_SIZE],
        "next_start": shown.start + review.PAGE_SIZE if len(found) > review.PAGE_SIZE else None,
        "counts": review.counts(db, listing),
        "states": list(SubmissionState),
        "clean": len(clean),
        "clean_total": Money(listing.reward * len(clean), listing.currency),
        "reward": Money(listing.reward, listing.currency),
        "balance": ledger.balance(db, listing),
        "payments": ledger.newest(db, listing) if sees_rows else [],
        "money": Money,
        "allowed": [action for action, states in listings.ALLOWED.items() if listing.state in states],
    }


@router.post("/connect")
def connect(
    request: Request,
    db: Db,
    config: Config,
    admin: Admin,
    slug: str,
    token: Annotated[str, Form(max_length=1000)],
    workspace: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    db.commit()  # no transaction is open while the marketplace is asked
    owner = accounts.check_token(SOURCE, token, config, workspace=workspace.strip())
    accounts.keep_token(db, SOURCE, token, owner, config, by=admin.id)
    whose = f"The account of {owner.name}, paid in {owner.currency}."
    told = (whose, "The token is sealed; no page shows it.")
    return leave_for(_address(slug), request, Flash("ok", "Prolific is connected", told))


class Wanted(Fields):
    """The form that asks what a study would cost, and the one that publishes it. Amounts as people write
    them."""

    places: int = Field(ge=1, le=10_000)
    reward: str = Field(max_length=20)
    minutes: int = Field(ge=1, le=600)
    description: str = Field(max_length=5000)
    screen_out_reward: str | None = Field(None, max_length=20)
    screen_out_places: int | None = Field(None, ge=1, le=10_000)
    staff_screen_out: bool = False

    def terms(self) -> listings.Terms:
        """`BadInput` for what cannot be offered."""
        paid = self.screen_out_reward and review.minor_units(self.screen_out_reward)
        if bool(paid) != (self.screen_out_places is not None):
            raise BadInput("Say both what a screened-out person is paid and how many may be.")
        reward = review.minor_units(self.reward)
        if paid and paid >= reward:
            raise BadInput("Who is screened out is paid less than the reward.")
        return listings.Terms(
            places=self.places,
            reward=reward,
            minutes=self.minutes,
            description=self.description,
            screen_out_reward=paid or None,
            screen_out_places=self.screen_out_places,
            staff_screen_out=self.staff_screen_out,
        )


@router.get("/cost")
def cost(
    request: Request, db: Db, config: Config, _editor: Editor, slug: str, wanted: Annotated[Wanted, Query()]
) -> HTMLResponse:
    """What it would cost. Nothing is published."""
    study, terms = find_study(db, slug), wanted.terms()
    key = accounts.key_of(db, SOURCE, config)
    db.commit()  # no transaction is open while the marketplace is asked
    quote = accounts.price(key, config, terms.reward, terms.places)
    return page(
        request,
        "staff/recruit_publish.html",
        study=study,
        wanted=wanted,
        quote=quote,
        money=Money,
        per_hour=Money(terms.reward * 60 // terms.minutes, quote.currency),
        name=MARKETPLACES[SOURCE],
    )


@router.post("/publish")
def publish(
    request: Request, db: Db, editor: Editor, slug: str, wanted: Annotated[Wanted, Form()]
) -> Response:
    listing = listings.make_listing(db, find_study(db, slug), SOURCE, wanted.terms(), by=editor.id)
    ask_for_visit(db, listing.id)
    return leave_for(_address(slug), request, Flash("ok", "A worker publishes it now"))


@router.post("/places")
def places(
    request: Request, db: Db, _editor: Editor, slug: str, total: Annotated[int, Form(ge=1, le=10_000)]
) -> Response:
    listing = _listing(db, slug)
    listings.raise_places(listing, total)
    ask_for_visit(db, listing.id)
    return leave_for(_address(slug), request, Flash("ok", f"A worker raises the places to {total}"))


@router.post("/state")
def change_state(
    request: Request, db: Db, _editor: Editor, slug: str, action: Annotated[ListingAction, Form()]
) -> Response:
    listing = _listing(db, slug)
    listings.ask(listing, action)
    ask_for_visit(db, listing.id)
    return leave_for(_address(slug), request, Flash("ok", f"A worker is asked to {action}"))


@router.post("/sync")
def look_now(request: Request, db: Db, _editor: Editor, slug: str) -> Response:
    ask_for_visit(db, _listing(db, slug).id)
    return leave_for(_address(slug), request, Flash("ok", "A worker looks at the marketplace now"))


@router.post("/approve-clean")
def approve_clean(request: Request, db: Db, editor: Editor, slug: str) -> Response:
    listing = _listing(db, slug)
    return _approved(request, db, listing, review.clean_ones(db, listing), editor.id, slug)


class Chosen(Fields):
    """Submissions with a mark."""

    id: list[int] = Field(default_factory=list, max_length=1000)


@router.get("/review")
def review_chosen(
    request: Request, db: Db, _editor: Editor, slug: str, chosen: Annotated[Chosen, Query()]
) -> Response:
    """Those that were marked, and what can become of them."""
    study, listing = find_study(db, slug), _listing(db, slug)
    if not chosen.id:
        return leave_for(_address(slug), request, Flash("danger", NOBODY_MARKED))
    found = _chosen(db, listing, chosen.id)
    return page(
        request,
        "staff/recruit_review.html",
        study=study,
        found=found,
        total=Money(listing.reward * len(found), listing.currency),
        currency=listing.currency,
        screens_out=listing.staff_screen_out,
        usual_pay=Money(listing.screen_out_reward, "").decimal if listing.screen_out_reward else "",
        rules=REJECTION_RULES[listing.marketplace],
    )


@router.post("/approve")
def approve(
    request: Request, db: Db, editor: Editor, slug: str, chosen: Annotated[Chosen, Form()]
) -> Response:
    listing = _listing(db, slug)
    return _approved(request, db, listing, _chosen(db, listing, chosen.id), editor.id, slug)


def _approved(
    request: Request, db: Session, listing: Listing, found: list[review.Reviewed], by: int, slug: str
) -> Response:
    count = review.approve(db, listing, found, by=by)
    ask_for_visit(db, listing.id)
    told = f"{count} approved; a worker tells the marketplace"
    return leave_for(_address(slug), request, Flash("ok", told))


@router.post("/return")
def ask_for_return(
    request: Request,
    db: Db,
    editor: Editor,
    slug: str,
    chosen: Annotated[Chosen, Form()],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    listing = _listing(db, slug)
    found = _chosen(db, listing, chosen.id)
    count = review.request_return(db, listing, found, reason=reason, by=editor.id)
    ask_for_visit(db, listing.id)
    return leave_for(_address(slug), request, Flash("ok", f"{count} are asked to return their submission"))


class MessageForm(Chosen):
    message: str = Field("", max_length=messages.LONGEST)


@router.post("/message")
def write_to(
    request: Request, db: Db, config: Config, _editor: Editor, slug: str, form: Annotated[MessageForm, Form()]
) -> Response:
    """A message to people, on the marketplace that they came from."""
    listing = _listing(db, slug)
    found = review.submissions(db, listing, only=form.id, limit=None)
    if not found:
        raise BadInput("Mark the people to write to first.")
    message = messages.addressed(db, config, listing, [one.submission for one in found], form.message)
    db.commit()  # no transaction is open while the marketplace is asked
    count = messages.send(message, config)
    return leave_for(_address(slug), request, Flash("ok", f"{count} got your message"))


class Rejection(Chosen):
    category: str = Field(max_length=40)
    message: str = Field("", max_length=2000)


@router.get("/rejection")
def preview_rejection(
    request: Request, db: Db, _editor: Editor, slug: str, asked: Annotated[Rejection, Query()]
) -> HTMLResponse:
    """Who, and why. Nobody is rejected yet."""
    study, listing = find_study(db, slug), _listing(db, slug)
    review.check_rejection(listing, asked.category, asked.message)
    words = REJECTION_RULES[listing.marketplace].categories[asked.category]
    found = _chosen(db, listing, asked.id)
    return page(request, "staff/recruit_reject.html", study=study, found=found, asked=asked, words=words)


@router.post("/reject")
def reject(
    request: Request, db: Db, editor: Editor, slug: str, asked: Annotated[Rejection, Form()]
) -> Response:
    listing = _listing(db, slug)
    count = review.reject(
        db,
        listing,
        _chosen(db, listing, asked.id),
        category=asked.category,
        message=asked.message,
        by=editor.id,
    )
    ask_for_visit(db, listing.id)
    return leave_for(_address(slug), request, Flash("ok", f"{count} are rejected"))


class ScreenOut(Chosen):
    pay: str = Field("", max_length=20)


@router.get("/screen-out")
def preview_screen_out(
    request: Request, db: Db, config: Config, _editor: Editor, slug: str, asked: Annotated[ScreenOut, Query()]
) -> Response:
    """Who, and what it costs. Nobody is screened out yet."""
    study, listing = find_study(db, slug), _listing(db, slug)
    if not asked.id:
        return leave_for(_address(slug), request, Flash("danger", NOBODY_MARKED))
    found, pay = _chosen(db, listing, asked.id), review.minor_units(asked.pay)
    review.check_screen_out(db, listing, found, pay)
    key = accounts.key_of(db, listing.marketplace, config)
    db.commit()  # no transaction is open while the marketplace is asked
    cost = accounts.price(key, config, pay, len(found))
    context: dict[str, Any] = {
        "found": found,
        "asked": asked,
        "cost": cost,
        "pay": Money(pay, listing.currency),
    }
    name = MARKETPLACES[listing.marketplace]
    return page(request, "staff/recruit_screen_out.html", study=study, money=Money, name=name, **context)


@router.post("/screen-out")
def screen_out(
    request: Request, db: Db, editor: Editor, slug: str, asked: Annotated[ScreenOut, Form()]
) -> Response:
    listing = _listing(db, slug)
    found, pay = _chosen(db, listing, asked.id), review.minor_units(asked.pay)
    count = review.screen_out(db, listing, found, pay=pay, by=editor.id)
    ask_for_visit(db, listing.id)
    told = f"{count} {'is' if count == 1 else 'are'} screened out; a worker tells the marketplace"
    return leave_for(_address(slug), request, Flash("ok", told))


class BonusOrder(Fields):
    """Lines `reference, amount`; with an order, which the preview makes, they are paid."""

    lines: str = Field("", max_length=100_000)
    reason: str = Field("", max_length=200)
    order: UUID | None = None


@router.post("/bonuses")
def bonuses(
    request: Request, db: Db, editor: Editor, slug: str, asked: Annotated[BonusOrder, Form()]
) -> Response:
    """Without an order a preview; with one the bonuses are written down, once."""
    study, listing = find_study(db, slug), _listing(db, slug)
    lines = review.parse_bonuses(db, listing, asked.lines)
    if asked.order is None:
        total = Money(sum(line.amount for line in lines), listing.currency)
        context: dict[str, Any] = {
            "order": uuid4(),
            "total": total,
            "lines": lines,
            "money": Money,
            "asked": asked,
        }
        return page(request, "staff/recruit_bonuses.html", study=study, listing=listing, **context)
    count = review.ask_for_bonuses(db, listing, lines, order=asked.order, reason=asked.reason, by=editor.id)
    ask_for_visit(db, listing.id)
    return leave_for(_address(slug), request, Flash("ok", f"{count} bonuses; a worker pays them"))


@router.post("/bonuses/{number}/cancel")
def cancel_bonus(request: Request, db: Db, _editor: Editor, slug: str, number: int) -> Response:
    listing = _listing(db, slug)
    ledger.cancel_bonus(ledger.find_bonus(db, listing, number))
    return leave_for(_address(slug), request, Flash("ok", "The bonus is cancelled; nobody is paid"))


@router.post("/bonuses/{number}/paid")
def bonus_was_paid(
    request: Request, db: Db, config: Config, _editor: Editor, slug: str, number: int
) -> Response:
    """Staff have seen at the marketplace that it was paid."""
    payment = ledger.find_bonus(db, _listing(db, slug), number)
    ledger.confirm_bonus(payment, settle=config.bonuses_settle)
    return leave_for(_address(slug), request, Flash("ok", "The ledger has it as paid"))


@router.post("/bonuses/{number}/again")
def pay_bonus_again(
    request: Request, db: Db, config: Config, _editor: Editor, slug: str, number: int
) -> Response:
    """Staff have seen at the marketplace that it was not paid."""
    listing = _listing(db, slug)
    ledger.pay_bonus_again(ledger.find_bonus(db, listing, number), settle=config.bonuses_settle)
    ask_for_visit(db, listing.id)
    return leave_for(_address(slug), request, Flash("ok", "A worker pays the bonus"))


@router.get("/payments.csv")
def payments_of_study(request: Request, db: Db, _staff: Finance, slug: str) -> Response:
    return payments_file(request, db, find_study(db, slug))


@everywhere.get("/payments.csv")
def payments(request: Request, db: Db, _staff: Finance) -> Response:
    """Every payment of every study, for accountants."""
    return payments_file(request, db, None)


def payments_file(request: Request, db: Session, study: Study | None) -> Response:
    note_download(request, db, "payments.csv")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(ledger.HEADER)
    writer.writerows(ledger.payment_lines(db, study))
    name = f"{study.slug}-payments.csv" if study else "payments.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type="text/csv", headers=headers)


def _listing(db: Session, slug: str) -> Listing:
    return listings.find_listing(db, find_study(db, slug))


def _chosen(db: Session, listing: Listing, ids: list[int]) -> list[review.Reviewed]:
    """Those that still wait for a verdict."""
    found = review.submissions(db, listing, only=ids, limit=None)
    waiting = [one for one in found if one.is_open]
    if not waiting:
        raise BadInput("None of these submissions waits for a verdict any more.")
    return waiting


def _address(slug: str) -> str:
    return f"/staff/studies/{slug}/recruit"
