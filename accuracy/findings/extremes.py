"""The hardest and the easiest pairs, from the estimates of an analysis."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from accuracy.findings.estimates import Analysis
from accuracy.statistics.proportions import wilson

MOST: Final = 10


@dataclass(frozen=True, slots=True)
class PairTally:
    """Decisions on one pair, of all arms and of each: (arm, correct, decisions)."""

    item: str
    correct: int
    decisions: int
    arms: tuple[tuple[str, int, int], ...]

    @property
    def share(self) -> float:
        return self.correct / self.decisions

    @property
    def bounds(self) -> tuple[float, float]:
        """Of its Wilson interval; everybody decides a pair once."""
        return wilson(self.share, self.decisions)


def tallies(analysis: Analysis) -> list[PairTally]:
    """Every pair that was judged, in order of appearance."""
    by_item: dict[str, list[tuple[str, int, int]]] = {}
    for estimate in analysis.of("pairs", "accuracy"):
        item = estimate.within.removeprefix("item=").partition(";source=")[0]
        by_item.setdefault(item, []).append((estimate.of, estimate.correct or 0, estimate.decisions))
    return [
        PairTally(item, sum(arm[1] for arm in arms), sum(arm[2] for arm in arms), tuple(arms))
        for item, arms in by_item.items()
    ]


def extremes(analysis: Analysis, most: int = MOST) -> tuple[list[PairTally], list[PairTally]]:
    """(hardest, easiest), the most extreme first, up to `most` of each and no pair in both.

    In order of the bound of the interval that is nearer to the middle, so that a pair with few decisions has
    to be further out than one with many.
    """
    pairs = tallies(analysis)
    number = min(most, len(pairs) // 2)

    def hardest(pair: PairTally) -> float:
        return pair.bounds[1]

    def easiest(pair: PairTally) -> float:
        return -pair.bounds[0]

    first = _first(pairs, hardest, number)
    others = [pair for pair in pairs if pair not in first]
    return first, _first(others, easiest, number)


def _first(pairs: Iterable[PairTally], by: Callable[[PairTally], float], number: int) -> list[PairTally]:
    return sorted(pairs, key=lambda pair: (by(pair), pair.item))[:number]
