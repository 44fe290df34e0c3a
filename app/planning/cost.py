"""What numbers of participants cost: rewards by the study's pay, fees and tax by a marketplace."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.orm import Session

from app.errors import BadInput, MarketplaceRefused, MarketplaceUnavailable, WrongState
from app.models import Source
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
    reached = _account(session, settings, marketplace)
    currency = reached.currency if isinstance(reached, accounts.AccountKey) else pay.currency if pay else ""
    given = Money(reward, currency) if reward is not None else pay
    if not asks:
        return PricedNumbers(given)
    if given is None:
        return PricedNumbers(None, complaint=NO_PAY)
    if isinstance(reached, str):
        return PricedNumbers(given, complaint=reached)
    name = MARKETPLACES[reached.source]
    if given.currency not in ("", reached.currency):
        said = f"The study pays in {given.currency} and the account on {name} in {reached.currency}"
        return PricedNumbers(
            given, complaint=f"{said}; say the reward in {reached.currency} for fees and tax."
        )
    given = Money(given.minor, reached.currency)
    session.commit()  # no transaction is open while the marketplace is asked
    try:
        costs = accounts.prices(reached, settings, given.minor, numbers)
    except (MarketplaceRefused, MarketplaceUnavailable) as error:
        return PricedNumbers(given, complaint=f"{name} says no fees and tax, so they are missing. {error}")
    return PricedNumbers(given, costs, reached.source)


def _account(session: Session, settings: Settings, marketplace: Source | None) -> accounts.AccountKey | str:
    """The account to ask, or why there is none."""
    connected = accounts.connected_accounts(session)
    if not connected:
        return NOTHING_CONNECTED
    try:
        return accounts.key_of(session, marketplace or connected[0].marketplace, settings)
    except WrongState as error:
        return str(error)
