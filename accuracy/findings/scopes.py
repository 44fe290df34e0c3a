"""What an estimate is about: how many decisions, of which arms."""

from itertools import combinations
from typing import Final

from accuracy.decisions.table import Decisions
from accuracy.findings.estimates import Scope, Section

MOST_PAIRWISE: Final = 6  # arms; more are compared with the first alone


def scope(decisions: Decisions, section: Section, of: str, within: str = "") -> Scope:
    correct = int(decisions.frame["correct"].sum())
    size = len(decisions.frame), correct, decisions.participants, decisions.items
    return Scope(section, of, within, *size)


def compared(arms: list[str]) -> list[tuple[str, str]]:
    """(arm, the arm it is compared with): every two, or everybody with the first when there are many."""
    pairs = combinations(arms, 2) if len(arms) <= MOST_PAIRWISE else ((arms[0], other) for other in arms[1:])
    return [(other, reference) for reference, other in pairs]


def both(decisions: Decisions, arm: str, against: str) -> Decisions:
    return decisions.of(decisions.frame["arm"].isin([arm, against]))
