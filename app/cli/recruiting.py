"""`cyborg recruit …`"""

from __future__ import annotations

import csv
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from app.cli import app
from app.cli.context import opened
from app.cli.remote import only_here, remote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

    from app.cli.context import Context
    from app.cli.remote_recruiting import RemoteListing
    from app.models import Listing
    from app.recruitment.review import Reviewed

recruit = typer.Typer(help="Recruit and pay people on a marketplace.", no_args_is_help=True)
app.add_typer(recruit, name="recruit")

Marketplace = Annotated[Literal["prolific", "mturk"], typer.Argument(help="Which marketplace.")]
Slug = Annotated[str, typer.Argument(help="The study's name in addresses.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without this it is only shown.")]
References = Annotated[list[str], typer.Argument(help="Participants, as `submissions` prints them.")]


@recruit.command()
@only_here("a person connects the account that pays people, and no token")
def connect(
    marketplace: Marketplace = "prolific",
    workspace: Annotated[str, typer.Option(help="Its id, of an account with several.")] = "",
) -> None:
    """Connect the lab's account; the token is read from standard input, sealed, and never shown.

    Of MTurk, which is closed, or of a service with its protocol: ACCESS_KEY_ID:SECRET_ACCESS_KEY.
    """
    from app.models import Source
    from app.recruitment.accounts import check_token, keep_token

    token, source = sys.stdin.readline(), Source(marketplace)
    with opened() as context:
        owner = check_token(source, token, context.settings, workspace=workspace)
        with context.sessions.begin() as session:
            keep_token(session, source, token, owner, context.settings)
    print(f"Connected: {owner.name}, paid in {owner.currency}.")


@recruit.command()
def publish(  # noqa: PLR0913, PLR0917 - each is an option
    slug: Slug,
    places: Annotated[int, typer.Option(min=1, help="How many people.")],
    reward: Annotated[int, typer.Option(min=1, help="Of each, in pence or cents.")],
    minutes: Annotated[int, typer.Option(min=1, help="Estimated time of a visit.")],
    description: Annotated[str, typer.Option(help="What people read before they take a place.")],
    screen_out_reward: Annotated[int | None, typer.Option(min=1, help="Of who is screened out.")] = None,
    screen_out_places: Annotated[int | None, typer.Option(min=1, help="How many may be paid that.")] = None,
    staff_screen_out: Annotated[
        bool, typer.Option("--staff-screen-out", help="Let staff screen people out later.")
    ] = False,
    marketplace: Annotated[Literal["prolific", "mturk"], typer.Option(help="Where.")] = "prolific",
    yes: Yes = False,
) -> None:
    """Say what it costs; with --yes publish it."""
    from app.models import Source
    from app.recruitment import listings
    from app.recruitment.accounts import key_of, price
    from app.recruitment.marketplaces.seam import Money
    from app.studies.service import find_study

    terms = listings.Terms(
        places=places,
        reward=reward,
        minutes=minutes,
        description=description,
        screen_out_reward=screen_out_reward,
        screen_out_places=screen_out_places,
        staff_screen_out=staff_screen_out,
    )
    if there := _there(slug):
        there.publish(terms, marketplace, yes=yes)
        return
    with opened() as context:
        with context.sessions() as session:
            key = key_of(session, Source(marketplace), context.settings)
        cost = price(key, context.settings, reward, places)
        parts = {"rewards": cost.rewards, "fees": cost.fees, "tax": cost.tax}
        said = ", ".join(f"{name} {Money(amount, cost.currency)}" for name, amount in parts.items())
        print(f"{places} places: {said}; {cost.total} in all, at most.")
        if not yes:
            print("Nothing was published; --yes publishes it.")
            return
        with context.sessions.begin() as session:
            study = find_study(session, slug)
            listing_id = listings.make_listing(session, study, Source(marketplace), terms, by=None).id
        _visit(context, listing_id)


@recruit.command()
def places(slug: Slug, count: Annotated[int, typer.Argument(min=1, help="How many in all.")]) -> None:
    """Raise the number of places."""
    from app.recruitment.listings import raise_places

    if there := _there(slug):
        there.raise_places(count)
        return
    with _listing(slug) as (context, session, listing):
        raise_places(listing, count)
        session.commit()
        _visit(context, listing.id)


@recruit.command()
def pause(slug: Slug) -> None:
    """Let nobody new in; whoever has a place may finish."""
    _ask(slug, "pause")


@recruit.command()
def resume(slug: Slug) -> None:
    """Go on after a pause."""
    _ask(slug, "resume")


@recruit.command()
def stop(slug: Slug) -> None:
    """End recruiting; more places start it again."""
    _ask(slug, "stop")


@recruit.command()
def sync(slug: Slug) -> None:
    """Do what is asked for and read what the marketplace shows; a worker does so every minute."""
    if there := _there(slug):
        there.sync()
        return
    with _listing(slug) as (context, session, listing):
        session.rollback()  # nothing is held open during the visit
        _visit(context, listing.id)


@recruit.command("submissions")
def list_submissions(slug: Slug) -> None:
    """List submissions with the work behind them."""
    from app.recruitment import review

    if there := _there(slug):
        there.list_submissions()
        return
    with _listing(slug) as (_, session, listing):
        table = Table("participant", "state", "verdict", "remark", box=None)
        for one in review.submissions(session, listing, limit=None):
            verdict = one.submission.verdict or ""
            table.add_row(one.reference, one.submission.state, verdict, one.problem)
    Console(markup=False).print(table)


@recruit.command()
def approve(
    slug: Slug,
    references: Annotated[
        list[str] | None, typer.Argument(help="Of participants; without any, everybody without a remark.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Pay the reward."""
    from app.recruitment import review
    from app.recruitment.marketplaces.seam import Money

    if there := _there(slug):
        there.approve(references or [], yes=yes)
        return
    with _listing(slug) as (context, session, listing):
        clean = review.clean_ones(session, listing)
        found = review.find(session, listing, references) if references else clean
        chosen = [one for one in found if one.is_open]
        total = Money(listing.reward * len(chosen), listing.currency)
        print(f"{len(chosen)} submissions, {total} and fees: {_names(chosen)}")
        if yes:
            review.approve(session, listing, chosen, by=None)
            session.commit()
            _visit(context, listing.id)


@recruit.command("return")
def request_return(
    slug: Slug,
    references: References,
    reason: Annotated[str, typer.Option(help="A sentence that they read.")],
    yes: Yes = False,
) -> None:
    """Ask people to return their submission."""
    from app.recruitment import review

    if there := _there(slug):
        there.request_return(references, reason, yes=yes)
        return
    with _listing(slug) as (context, session, listing):
        chosen = [one for one in review.find(session, listing, references) if one.is_open]
        print(f"{len(chosen)} are asked to return their submission: {_names(chosen)}")
        if yes:
            review.request_return(session, listing, chosen, reason=reason, by=None)
            session.commit()
            _visit(context, listing.id)


@recruit.command()
def message(
    slug: Slug,
    references: References,
    text: Annotated[str, typer.Option(help="What they read on the marketplace.")],
    yes: Yes = False,
) -> None:
    """Send people a message."""
    from app.recruitment import messages, review

    if there := _there(slug):
        there.message(references, text, yes=yes)
        return
    with _listing(slug) as (context, session, listing):
        chosen = review.find(session, listing, references)
        print(f"{len(chosen)} get the message: {_names(chosen)}")
        if yes:
            found = [one.submission for one in chosen]
            message = messages.addressed(session, context.settings, listing, found, text)
            session.commit()
            messages.send(message, context.settings)


@recruit.command()
def reject(
    slug: Slug,
    references: References,
    category: Annotated[str, typer.Option(help="The marketplace's, for example FAILED_CHECK.")],
    message: Annotated[str, typer.Option(help="Why, in at least 100 characters: they read it.")],
    yes: Yes = False,
) -> None:
    """Reject submissions; without --yes, show who and why."""
    from app.recruitment import review

    if there := _there(slug):
        there.reject(references, category, message, yes=yes)
        return
    with _listing(slug) as (context, session, listing):
        review.check_rejection(listing, category, message)
        chosen = [one for one in review.find(session, listing, references) if one.is_open]
        for one in chosen:
            print(f"{one.reference}: {one.problem or 'nothing is wrong with this one'}")
        print(f"{len(chosen)} are rejected for {category}: {message}")
        if yes:
            review.reject(session, listing, chosen, category=category, message=message, by=None)
            session.commit()
            _visit(context, listing.id)


@recruit.command("screen-out")
def screen_out(
    slug: Slug,
    references: References,
    pay: Annotated[int, typer.Option(min=1, help="Of each, in pence or cents; less than the reward.")],
    yes: Yes = False,
) -> None:
    """Screen people out who handed in their work, for less pay; without --yes, show who and the cost."""
    from app.recruitment import review
    from app.recruitment.accounts import key_of, price

    if there := _there(slug):
        there.screen_out(references, pay, yes=yes)
        return
    with _listing(slug) as (context, session, listing):
        chosen = [one for one in review.find(session, listing, references) if one.is_open]
        review.check_screen_out(session, listing, chosen, pay)
        key = key_of(session, listing.marketplace, context.settings)
        session.commit()
        cost = price(key, context.settings, pay, len(chosen))
        print(f"{len(chosen)} are screened out, {cost.total} with fees: {_names(chosen)}")
        if yes:
            review.screen_out(session, listing, chosen, pay=pay, by=None)
            session.commit()
            _visit(context, listing.id)


@recruit.command()
def bonus(
    slug: Slug,
    reason: Annotated[str, typer.Option(help="For the ledger.")] = "",
    order: Annotated[str, typer.Option(help="A UUID; the same one again pays nothing again.")] = "",
    yes: Yes = False,
) -> None:
    """Pay bonuses; lines `reference, amount` come from standard input."""
    from uuid import UUID, uuid4

    from app.recruitment import review
    from app.recruitment.marketplaces.seam import Money

    text, known = sys.stdin.read(), UUID(order) if order else uuid4()
    if there := _there(slug):
        there.pay_bonuses(review.bonus_amounts(text), str(known), reason, yes=yes)
        return
    with _listing(slug) as (context, session, listing):
        lines = review.parse_bonuses(session, listing, text)
        total = Money(sum(line.amount for line in lines), listing.currency)
        print(f"{len(lines)} bonuses, {total} and fees.")
        if yes:
            new = review.ask_for_bonuses(session, listing, lines, order=known, reason=reason, by=None)
            session.commit()
            print(f"{new} are new; order {known}.")
            _visit(context, listing.id)


@recruit.command("open-bonuses")
def list_open_bonuses(slug: Slug) -> None:
    """List bonuses that are asked for and not confirmed, with the number that `settle` wants."""
    from app.recruitment.ledger import open_bonuses
    from app.recruitment.marketplaces.seam import Money

    if there := _there(slug):
        there.list_open_bonuses()
        return
    with _listing(slug) as (context, session, listing):
        table = Table("number", "participant", "amount", "state", "remark", box=None)
        for one in open_bonuses(session, listing, settle=context.settings.bonuses_settle):
            remark = "sent, and not shown" if one.is_unshown else one.payment.refusal or ""
            amount = str(Money(one.payment.amount, one.payment.currency))
            table.add_row(str(one.payment.id), one.reference, amount, one.payment.state, remark)
    Console(markup=False).print(table)


@recruit.command()
def settle(
    slug: Slug,
    number: Annotated[int, typer.Argument(help="Of the bonus, as `open-bonuses` prints it.")],
    answer: Annotated[
        Literal["paid", "not-paid", "cancel"],
        typer.Argument(help="What the marketplace shows of it, or that it is to be cancelled."),
    ],
) -> None:
    """Say what became of a bonus that the marketplace does not show; `not-paid` pays it."""
    from app.recruitment import ledger

    if there := _there(slug):
        there.settle(number, answer)
        return
    with _listing(slug) as (context, session, listing):
        payment, known = ledger.find_bonus(session, listing, number), context.settings.bonuses_settle
        match answer:
            case "paid":
                ledger.confirm_bonus(payment, settle=known)
            case "not-paid":
                ledger.pay_bonus_again(payment, settle=known)
            case _:
                ledger.cancel_bonus(payment)
        session.commit()
        print(f"Bonus {number} is {payment.state}.")
        if answer == "not-paid":
            _visit(context, listing.id)


@recruit.command("ledger")
def show_ledger(slug: Slug) -> None:
    """Print what was paid, beside what the marketplace charged."""
    from app.recruitment.ledger import balance

    if there := _there(slug):
        there.show_ledger()
        return
    with _listing(slug) as (_, session, listing):
        found = balance(session, listing)
    table = Table("kind", box=None)
    for column in ("payments", "paid", "on its way"):
        table.add_column(column, justify="right")
    for total in found.totals:
        table.add_row(total.kind, str(total.count), str(total.paid), str(total.open))
    Console(markup=False).print(table)
    print(f"Ledger {found.paid}; charged {found.charged or 'not known yet'}.")


@recruit.command()
def payments(slug: Annotated[str, typer.Argument(help="A study; without one, all of them.")] = "") -> None:
    """Print payments.csv: every payment, without any id of a marketplace."""
    from app.recruitment.ledger import HEADER, payment_lines
    from app.studies.service import find_study

    if server := remote():
        from app.cli.remote_recruiting import print_payments

        print_payments(server, slug)
        return
    with opened() as context, context.sessions() as session:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(payment_lines(session, find_study(session, slug) if slug else None))


def _there(slug: str) -> RemoteListing | None:
    """The listing on the server that this command is to ask; None: this machine's database."""
    server = remote()
    if server is None:
        return None
    from app.cli.remote_recruiting import RemoteListing

    return RemoteListing(server, slug)


@contextmanager
def _listing(slug: str) -> Iterator[tuple[Context, Session, Listing]]:
    from app.recruitment.listings import find_listing
    from app.studies.service import find_study

    with opened() as context, context.sessions() as session:
        yield context, session, find_listing(session, find_study(session, slug))


def _ask(slug: str, action: str) -> None:
    from app.models import ListingAction
    from app.recruitment.listings import ask

    if there := _there(slug):
        there.ask(action)
        return
    with _listing(slug) as (context, session, listing):
        ask(listing, ListingAction(action))
        session.commit()
        _visit(context, listing.id)


def _visit(context: Context, listing_id: int) -> None:
    from app.audit.recording import unwatched
    from app.models import Listing
    from app.recruitment.sync import visit

    visit(unwatched(context.sessions), context.settings, listing_id)
    with context.sessions() as session:
        listing = session.get_one(Listing, listing_id)
        print(f"It is {listing.state}: {listing.places_taken} of {listing.places} places taken.")


def _names(chosen: Sequence[Reviewed]) -> str:
    return ", ".join(one.reference for one in chosen) or "nobody"
