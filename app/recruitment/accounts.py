"""The lab's accounts on marketplaces. A token goes in, and is never shown again."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import BadInput, MarketplaceRefused, WrongState
from app.models import MarketplaceAccount, Source
from app.recruitment.marketplaces.registry import MARKETPLACES, connected
from app.recruitment.marketplaces.seam import Cost, Marketplace, Money, Owner
from app.security import token_box
from app.settings import Settings

LONGEST_TOKEN: Final = 500  # characters


@dataclass(frozen=True, slots=True)
class AccountKey:
    """What opens an account, out of its box. Its token has no place in a log or on a page."""

    source: Source
    token: str
    workspace: str
    currency: str

    def __repr__(self) -> str:
        return f"AccountKey({self.source})"


def check_token(source: Source, token: str, settings: Settings, *, workspace: str = "") -> Owner:
    """Whose account a token opens; `BadInput` when it opens none."""
    clean = token.strip()
    if not clean or len(clean) > LONGEST_TOKEN or not clean.isascii() or not clean.isprintable():
        raise BadInput("This is no token: paste it as the marketplace shows it.")
    try:
        with connected(source, settings, token=clean, workspace=workspace) as market:
            return market.owner()
    except MarketplaceRefused as refused:
        raise BadInput(f"The token does not work. {refused}") from None


def keep_token(
    session: Session, source: Source, token: str, owner: Owner, settings: Settings, *, by: int | None = None
) -> MarketplaceAccount:
    """Seal a checked token in place of the one before it."""
    sealed = token_box(session, settings).seal(token.strip(), of=source)
    account = session.get(MarketplaceAccount, source)
    if account is None:
        account = MarketplaceAccount(marketplace=source)
        session.add(account)
    account.sealed_token, account.connected_by = sealed, by
    account.owner, account.workspace, account.currency = owner.name, owner.workspace, owner.currency
    session.flush()
    return account


def forget_token(session: Session, source: Source) -> None:
    account = account_of(session, source)
    session.delete(account)


def account_of(session: Session, source: Source) -> MarketplaceAccount:
    account = session.get(MarketplaceAccount, source)
    if account is None:
        raise WrongState(f"{MARKETPLACES.get(source, source)} is not connected; an admin connects it.")
    return account


def connected_accounts(session: Session) -> Sequence[MarketplaceAccount]:
    """Those that are connected."""
    return session.scalars(select(MarketplaceAccount).order_by(MarketplaceAccount.connected_at)).all()


def key_of(session: Session, source: Source, settings: Settings) -> AccountKey:
    account = account_of(session, source)
    token = token_box(session, settings).open(account.sealed_token, of=source)
    return AccountKey(source, token, account.workspace, account.currency)


def price(key: AccountKey, settings: Settings, pay: int, people: int) -> Cost:
    """What it costs with fees and tax to pay so many people; asks the marketplace, and spends nothing.

    Slow: the caller has no transaction open.
    """
    with opened(key, settings) as market:
        return market.quote(Money(pay, key.currency), people)


def prices(key: AccountKey, settings: Settings, pay: int, numbers: Sequence[int]) -> dict[int, Cost]:
    """The same of several numbers of people, by number."""
    with opened(key, settings) as market:
        return {people: market.quote(Money(pay, key.currency), people) for people in numbers}


@contextmanager
def opened(key: AccountKey, settings: Settings) -> Iterator[Marketplace]:
    with connected(
        key.source, settings, token=key.token, workspace=key.workspace, currency=key.currency
    ) as market:
        yield market
