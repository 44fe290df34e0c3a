"""What numbers of participants cost: rewards by the study's pay, fees and tax by a marketplace."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

from app.errors import BadInput, MarketplaceRefused, MarketplaceUnavailable, WrongState
from app.models import MarketplaceAccount, Source
from app.recruitment import accounts
from app.recruitment.marketplaces.registry import MARKETPLACES
from app.recruitment.marketplaces.seam import Cost, Money
from app.recruitment.review import minor_units
from app.settings import Settings

SIGNS: Final = {"£": "GBP", "$": "USD", "€": "EUR"}

PAY: Final = re.compile(
    rf"(?P<before>[{''.join(SIGNS)}]|[A-Z]{{3}})?\s*(?P<amount>\d+(?:[.,]\d{{1,2}})?)\s*"
    rf"(?P<after>[{''.join(SIGNS)}]|[A-Z]{{3}})?"
)
"""An amount as people write it: £3.00, 3,50 €, 4 USD."""

NOTHING_CONNECTED: Final = (
    "No marketplace is connected, so fees and tax are not known; an admin connects one on the page Recruit "
    "of any study."
)
NO_PAY: Final = "Say what a participant is paid: the description says no amount as pay."


@dataclass(frozen=True, slots=True)
class PricedNumbers:
    """Rewards of each number of participants, and with fees and tax where a marketplace said them."""

    reward: Money | None
    costs: Mapping[int, Cost] = field(default_factory=dict)
    marketplace: Source | None = None
    complaint: str = ""


def pay_of(text: str | None) -> Money | None:
    """The amount that a description says as pay; None where it says none, or more than an amount.

    The currency is empty where the text names none.
    """
    found = PAY.fullmatch((text or "").strip())
    if found is None or (found["before"] and found["after"]):
        return None
    try:
        minor = minor_units(found["amount"].replace(",", "."))
    except BadInput:
        return None
    said = found["before"] or found["after"] or ""
    return Money(minor, SIGNS.get(said, said))


def priced(
    session: Session,
    settings: Settings,
    numbers: Sequence[int],
    *,
    reward: int | None,
    pay: Money | None,
    marketplace: Source | None,
    asks: bool,
) -> PricedNumbers:
    """What so many participants cost; spends nothing.

    reward : of one participant, in minor units of the account's currency; None: `pay`
    pay : what the description says
    marketplace : None for the account that was connected first
    asks : whether the marketplace is asked, after a commit; without it there are rewards alone
    """
    account = _account(session, marketplace)
    given = (
        pay if reward is None else Money(reward, account.currency if account else pay.currency if pay else "")
    )
    if not asks:
        return PricedNumbers(given)
    if given is None:
        return PricedNumbers(None, complaint=NO_PAY)
    if account is None:
        return PricedNumbers(given, complaint=_not_connected(marketplace))
    return _asked(session, settings, account, given, numbers)


def _account(session: Session, marketplace: Source | None) -> MarketplaceAccount | None:
    connected = accounts.connected_accounts(session)
    return next((one for one in connected if marketplace in (None, one.marketplace)), None)


def _not_connected(marketplace: Source | None) -> str:
    if marketplace is None:
        return NOTHING_CONNECTED
    return f"{MARKETPLACES.get(marketplace, marketplace)} is not connected, so fees and tax are not known."


def _asked(
    session: Session, settings: Settings, account: MarketplaceAccount, reward: Money, numbers: Sequence[int]
) -> PricedNumbers:
    """With what the marketplace says, or why it says nothing."""
    name, source = MARKETPLACES[account.marketplace], account.marketplace
    if reward.currency not in ("", account.currency):
        said = f"The study pays in {reward.currency} and the account on {name} in {account.currency}"
        return PricedNumbers(
            reward, complaint=f"{said}; say the reward in {account.currency} for fees and tax."
        )
    reward = Money(reward.minor, account.currency)
    try:
        key = accounts.key_of(session, source, settings)
        session.commit()  # no transaction is open while the marketplace is asked
        costs = accounts.prices(key, settings, reward.minor, [people for people in numbers if people])
    except (WrongState, MarketplaceRefused, MarketplaceUnavailable) as error:
        return PricedNumbers(reward, complaint=f"{name} says no fees and tax, so they are missing. {error}")
    return PricedNumbers(reward, costs, source)
