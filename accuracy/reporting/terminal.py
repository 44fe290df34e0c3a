"""An analysis on a terminal: arms, differences and sources in one table, then what weakens them."""

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from accuracy.findings.estimates import Analysis, Estimate, Section, amount, bounds, probability
from accuracy.reporting.words import NAMES, part

PRINTED: Final[tuple[tuple[Section, tuple[str, ...]], ...]] = (
    ("arms", ("accuracy", "d_prime", "criterion")),
    ("designs", ("accuracy", "d_prime", "criterion")),
    ("difference", ("difference", "permutation_test", "d_prime_difference")),
    ("sources", ()),
)


def print_analysis(analysis: Analysis, *, screen: Console, complaints: Console) -> None:
    """Print the estimates and notes on one console, the cautions on another."""
    who = "simulated participants (programs, not people)" if analysis.simulated else "participants"
    screen.out(f"{analysis.name}: {analysis.decisions} decisions of {analysis.participants} {who}.")
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", min_width=11)
    table.add_column("of", min_width=12, overflow="fold")
    for title in ("value", "95 % interval", "p" if len(analysis.arms) < 3 else "p (Holm)", "for"):
        table.add_column(title, justify="left" if title == "for" else "right", no_wrap=True)
    for estimate in _printed(analysis):
        table.add_row(*_cells(estimate, analysis.design))
    if table.row_count:
        screen.print(table)
    for caution in analysis.cautions:
        complaints.print(f"[yellow]caution:[/yellow] {escape(caution.sentence)}")
    for note in analysis.notes:
        screen.out(note)


def _printed(analysis: Analysis) -> Iterator[Estimate]:
    for section, measures in PRINTED:
        yield from analysis.of(section, *measures)
    if len(analysis.arms) == 1:
        cells = analysis.of("cells", "accuracy")
        yield from (estimate for estimate in cells if estimate.within.startswith("source="))


def _cells(estimate: Estimate, design: str) -> tuple[str, ...]:
    p = estimate.p if estimate.p_holm is None else estimate.p_holm
    return (
        NAMES[estimate.measure],
        escape(f"{estimate.of} {part(estimate)}".rstrip()),
        amount(estimate, estimate.value),
        bounds(estimate),
        probability(p),
        holds_for(estimate, design),
    )


def holds_for(estimate: Estimate, design: str) -> str:
    """What an interval or a test holds for, in two words; of an accuracy, the counts in their place."""
    if estimate.measure == "accuracy" and estimate.correct is not None:
        return f"{estimate.correct} of {estimate.decisions}"
    others = "participants and pairs" in estimate.method and estimate.items
    return f"{'other' if others else 'these'} {'pairs' if design == '2afc' else 'images'}"
