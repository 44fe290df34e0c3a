"""The planner on pages: its controls, and what it comes to. Nothing of it is kept with the study.

The smallest difference follows while somebody types. Only a button asks a marketplace for fees and tax, for
that takes a call over the network; and only a button reads a study's judgements for standard deviations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound
from app.models import Source
from app.planning.measuring import studies_with_judgements
from app.planning.schemas import MOST_LEFT_OUT, PlannerBody, PlannerView
from app.recruitment.accounts import connected_accounts
from app.recruitment.marketplaces.registry import MARKETPLACES
from app.recruitment.marketplaces.seam import Money
from app.recruitment.review import minor_units
from app.studies.totals import Assumptions

SHARES: Final = {
    "mean": "the share correct",
    "participant_sd": "how participants differ",
    "pair_sd": "how pairs differ",
    "left_out": "how many are left out",
}
"""Numbers of the planner, and what complaints call them."""

MEASURED: Final = ("mean", "participant_sd", "pair_sd")
"""Those that a study can say."""

BUTTONS: Final = ("cost", "like")

TEXTS: Final = ("like", "reward", "marketplace")

ROWS: Final = {
    "fewest": "Fewest",
    "left_out": "With left out",
    "plan": "Plan",
}
"""What the rows of the planner's table are called."""


@dataclass(frozen=True, slots=True)
class Planner:
    """The planner as it was sent, by control, and what it is asked."""

    typed: dict[str, str]
    asked: PlannerBody
    errors: dict[str, str] = field(default_factory=dict)
    """By control."""
    is_used: bool = False
    """Whether a button of it was pressed, or something typed."""

    @property
    def like(self) -> PlannerBody:
        """The same with what the chosen study says in place of what was typed."""
        said = {"like": self.typed["planner.like"], **dict.fromkeys(MEASURED)}
        return self.asked.model_copy(update=said)

    def complaining(self, control: str, why: str) -> "Planner":
        return replace(self, errors=self.errors | {control: why})

    def with_measured(self, answer: PlannerView) -> "Planner":
        """With what was measured in the controls, where it can be changed."""
        if answer.measured is None:
            return self
        found = {f"planner.{key}": f"{getattr(answer.assumed, key):.3f}" for key in MEASURED}
        return replace(self, typed=self.typed | found)


def read(form: Mapping[str, Any]) -> Planner:
    """What is wrong is told by control, and the default stands in for it."""
    defaults = Assumptions()
    typed, values, errors = dict[str, str](), dict[str, Any](), dict[str, str]()
    for key, called in SHARES.items():
        name, default = f"planner.{key}", getattr(defaults, key, 0)
        typed[name] = str(form.get(name) or default)
        try:
            values[key] = _share(key, typed[name])
        except ValueError:
            most = MOST_LEFT_OUT if key == "left_out" else 1
            values[key], errors[name] = default, f"Say {called} as a number between 0 and {most}."
    for key in TEXTS:
        typed[f"planner.{key}"] = str(form.get(f"planner.{key}") or "").strip()
    source = typed["planner.marketplace"]
    try:
        values["reward"] = minor_units(typed["planner.reward"]) if typed["planner.reward"] else None
    except BadInput as error:
        errors["planner.reward"] = str(error)
    values["marketplace"] = Source(source) if source in {*MARKETPLACES} else None
    is_used = form.get("action") in BUTTONS or any(typed[name] for name in ("planner.reward", "planner.like"))
    return Planner(typed, PlannerBody(**values), errors, is_used=bool(errors or is_used))


def _share(key: str, text: str) -> float:
    value = float(text.strip().replace(",", "."))
    lowest_counts = key != "mean"
    if not (0 < value < 1 or (value == 0 and lowest_counts)) or (key == "left_out" and value > MOST_LEFT_OUT):
        raise ValueError(text)
    return value


class AsksPlanner(Protocol):
    """Asks the planner about a study or a form; None where that is not complete."""

    def __call__(self, asked: PlannerBody, *, ask_marketplace: bool) -> PlannerView | None: ...


def answered(planner: Planner, action: str, ask: AsksPlanner) -> tuple[PlannerView | None, Planner]:
    """What the planner answers to a button, and its controls then.

    action : `cost` asks a marketplace, `like` measures another study; any other does neither
    """
    asked = planner.like if action == "like" else planner.asked
    is_priced = action == "cost" and "planner.reward" not in planner.errors
    try:
        answer = ask(asked, ask_marketplace=is_priced)
    except (BadInput, NotFound) as error:
        return ask(planner.asked, ask_marketplace=False), planner.complaining("planner.like", str(error))
    return answer, planner.with_measured(answer) if answer else planner


def shown(db: Session, planner: Planner, answer: PlannerView | None) -> dict[str, Any]:
    """What the templates of the planner need."""
    return {
        "planner": planner,
        "answer": answer,
        "planner_rows": ROWS,
        "planner_studies": studies_with_judgements(db),
        "marketplaces": {one.marketplace: MARKETPLACES[one.marketplace] for one in connected_accounts(db)},
        "per_hour": per_hour(answer) if answer else None,
        "money": Money,
    }


def per_hour(answer: PlannerView) -> Money | None:
    """What participants earn on average, without fees; minor units are rounded down."""
    fewest = answer.rows[0]
    if fewest.rewards is None or not fewest.hours:
        return None
    return Money(int(fewest.rewards / fewest.hours), answer.currency)
