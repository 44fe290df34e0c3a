"""When an assumption fails: one sentence each, for whoever reads the numbers."""

from collections.abc import Iterator, Sequence
from typing import Final

from accuracy.decisions.table import Decisions
from accuracy.findings.estimates import Caution
from accuracy.findings.scopes import MOST_PAIRWISE

FEWEST_PEOPLE: Final = 10  # per arm: from here on the intervals were tried on simulated studies
FEWEST_PAIRS: Final = 10
MOST_NAMED: Final = 5


def cautions(decisions: Decisions) -> Iterator[Caution]:
    """Everything about a table of decisions that weakens what is computed from it."""
    frame = decisions.frame
    if frame.empty:
        yield Caution("empty", "There is no decision to analyse yet.")
        return
    if len(decisions.arms) == 1:
        yield Caution(
            "one_arm", f"All decisions are from the arm {decisions.arms[0]}: nothing to compare with."
        )
    yield from _of_arms(decisions)
    yield from _unknown_pairs(decisions)
    yield from _several_arms(decisions)
    yield from _unequal_pairs(decisions)
    yield from _empty_cells(decisions)
    yield from _many_arms(decisions)


def _of_arms(decisions: Decisions) -> Iterator[Caution]:
    for arm in decisions.arms:
        in_arm = decisions.of_arm(arm)
        if in_arm.participants < FEWEST_PEOPLE:
            yield Caution(
                "few_participants",
                f"The arm {arm} has {counted(in_arm.participants, 'participant')}; intervals and tests can "
                f"be trusted from {FEWEST_PEOPLE} on, and with one there is none.",
            )
        if (share := in_arm.frame["correct"].mean()) in (0.0, 1.0):
            kind = "correct" if share else "wrong"
            yield Caution(
                "separation",
                f"Every decision in the arm {arm} is {kind}: its odds are infinite, so models have no "
                "answer, its difference has no p, and its d′ is a bound without an interval.",
            )
    if decisions.has("item") and decisions.items < FEWEST_PAIRS:
        what = "pair" if decisions.design == "2afc" else "image"
        yield Caution(
            "few_pairs",
            f"Only {counted(decisions.items, what)}: what is said holds for them and hardly for others.",
        )


def _several_arms(decisions: Decisions) -> Iterator[Caution]:
    if in_several := decisions.in_several_arms:
        yield Caution(
            "several_arms",
            f"{counted(in_several, 'participant')} decided in more than one arm: between those arms the "
            "permutation test and the bootstrap are left out, because both assume that everybody is in one "
            "arm. The difference does not assume it.",
        )


def _unknown_pairs(decisions: Decisions) -> Iterator[Caution]:
    without = [arm for arm in decisions.arms if not decisions.of_arm(arm).has("item")]
    if without:
        yield Caution(
            "unknown_pairs",
            f"Which picture was shown is not known in {some(without)}: intervals are for other people with "
            "the same pictures, and too short for other pictures.",
        )


def _unequal_pairs(decisions: Decisions) -> Iterator[Caution]:
    if not decisions.has("item") or len(decisions.arms) < 2:
        return
    seen = decisions.frame.groupby("item")["arm"].nunique()
    partly = int((seen < len(decisions.arms)).sum())
    if partly > len(seen) / 10:
        yield Caution(
            "different_pairs",
            f"{partly} of {len(seen)} {'pairs' if decisions.design == '2afc' else 'images'} were not judged "
            "in every arm: part of a difference may be one of pictures.",
        )


def _empty_cells(decisions: Decisions) -> Iterator[Caution]:
    for column in ("source", "question"):
        if not decisions.has(column):
            continue
        without = [arm for arm in decisions.arms if not decisions.of_arm(arm).has(column)]
        if without:
            yield Caution(
                "no_column",
                f"No {column} is known in {some(without)}: what is said by {column} leaves "
                f"{'it' if len(without) == 1 else 'them'} out.",
            )
        cells = decisions.frame.groupby([column, "arm"]).size().unstack(fill_value=0)
        empty = [
            f"{arm} with {column} {level}" for level, row in cells.iterrows() for arm in row.index[row == 0]
        ]
        if empty:
            yield Caution("empty_cells", f"No decision at all: {some(empty)}.")


def _many_arms(decisions: Decisions) -> Iterator[Caution]:
    if (number := len(decisions.arms)) > MOST_PAIRWISE:
        yield Caution(
            "many_arms",
            f"There are {number} arms: each is compared with {decisions.arms[0]} alone.",
        )


def some(names: Sequence[str]) -> str:
    """The first few of a list, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
