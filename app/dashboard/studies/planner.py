"""The planner beside the form of a study: what it assumes, and what the study would cost.

Neither is kept with the study. The smallest difference follows while somebody types; a marketplace is asked
for its fees and tax only by a button, for that takes a call over the network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.deps import Config, Db
from app.errors import BadInput, MarketplaceRefused, MarketplaceUnavailable, WrongState
from app.models import Source
from app.recruitment import accounts
from app.recruitment.marketplaces.registry import MARKETPLACES
from app.recruitment.marketplaces.seam import Cost, Money
from app.recruitment.review import minor_units
from app.studies.totals import Assumptions, Totals

LABELS: Final = {
    "planner.mean": "the share correct",
    "planner.participant_sd": "how participants differ",
    "planner.pair_sd": "how pairs differ",
}
"""Controls, and what complaints call them."""


@dataclass(frozen=True, slots=True)
class Planner:
    """The planner as it was sent, by control, and what it comes to."""

    typed: dict[str, str]
    assumed: Assumptions
    errors: dict[str, str] = field(default_factory=dict)
    cost: Cost | None = None
    marketplace: str = ""
    """By name: whose fees are in the cost."""


def read(form: Mapping[str, Any]) -> Planner:
    """What is wrong is told by control, and the default stands in for it."""
    defaults = Assumptions()
    typed, values, errors = dict[str, str](), dict[str, float](), dict[str, str]()
    for name, called in LABELS.items():
        key = name.removeprefix("planner.")
        typed[name] = str(form.get(name) or getattr(defaults, key))
        try:
            values[key] = _share(typed[name])
        except ValueError:
            values[key], errors[name] = getattr(defaults, key), f"Say {called} as a number between 0 and 1."
    for name in ("planner.reward", "planner.marketplace"):
        typed[name] = str(form.get(name) or "")
    return Planner(typed, Assumptions(**values), errors)


def _share(text: str) -> float:
    value = float(text.strip().replace(",", "."))
    if not 0 < value < 1:
        raise ValueError(text)
    return value


def priced(planner: Planner, totals: Totals | None, db: Db, config: Config) -> Planner:
    """With the cost of the least participants, as the marketplace says it."""
    if totals is None:
        return _refused(planner, "The numbers of the study are not complete yet.")
    try:
        source = Source(planner.typed["planner.marketplace"] or Source.PROLIFIC)
        key, reward = accounts.key_of(db, source, config), minor_units(planner.typed["planner.reward"])
        db.commit()  # no transaction is open while the marketplace is asked
        cost = accounts.price(key, config, reward, totals.participants)
    except (BadInput, WrongState, MarketplaceRefused, MarketplaceUnavailable) as error:
        return _refused(planner, str(error))
    except ValueError:
        return _refused(planner, "There is no such marketplace.")
    return replace(planner, cost=cost, marketplace=MARKETPLACES[source])


def _refused(planner: Planner, why: str) -> Planner:
    return replace(planner, errors=planner.errors | {"planner.reward": why})


def per_hour(cost: Cost, totals: Totals) -> Money:
    """What participants earn on average, without fees; minor units are rounded down."""
    return Money(int(cost.rewards / totals.hours), cost.currency)
