"""How the answer of the planner is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from app.recruitment.marketplaces.registry import MARKETPLACES
from app.recruitment.marketplaces.seam import Money

if TYPE_CHECKING:
    from app.planning.schemas import EstimateView, MeasuredView, PlannerView

ROWS: Final = {"fewest": "fewest", "left_out": "with those left out", "plan": "the plan's"}


def print_planner(answer: PlannerView) -> None:
    print(f"{answer.judgements} judgements of {answer.pairs} pairs")
    for arm in answer.arms:
        each = f"{arm.trials} trials, about {max(1, round(arm.minutes))} min each"
        print(f"  {arm.name}: at least {arm.participants} participants, {each}")
    if answer.measured:
        _print_measured(answer.measured)
    if answer.smallest_difference:
        assumed = answer.assumed
        print(
            f"Four of five such studies find a difference of {100 * answer.smallest_difference:.1f} "
            f"percentage points or more between two arms, at {assumed.mean:.3f} correct and standard "
            f"deviations of {assumed.participant_sd:.3f} (participants) and {assumed.pair_sd:.3f} (pairs)."
        )
    _print_rows(answer)
    if answer.marketplace:
        print(f"Fees and tax as {MARKETPLACES[answer.marketplace]} says now; nothing is spent.")
    if answer.complaint:
        print(answer.complaint)


def _print_measured(found: MeasuredView) -> None:
    rests_on = f"{found.participants} participants, {found.pairs} pairs, {found.decisions} judgements"
    print(f"Measured in {found.study} ({found.who}): {rests_on}")
    for name, one in (
        ("share correct", found.mean),
        ("standard deviation of participants", found.participant_sd),
        ("standard deviation of pairs", found.pair_sd),
    ):
        print(f"  {name}: {_estimate(one)}")


def _estimate(one: EstimateView) -> str:
    return f"{one.value:.3f}" + (
        f", 95 % interval {one.low:.3f} to {one.high:.3f}" if one.high is not None else ""
    )


def _print_rows(answer: PlannerView) -> None:
    table = Table("people", box=None)
    for column in ("number", "hours", "rewards", "fees", "tax", "in all"):
        table.add_column(column, justify="right")
    for row in answer.rows:
        amounts = (row.rewards, row.fees, row.tax, row.total)
        said = ("–" if minor is None else str(Money(minor, answer.currency)).strip() for minor in amounts)
        table.add_row(ROWS[row.name], str(row.participants), f"{row.hours:.1f}", *said)
    Console(markup=False).print(table)
