"""Small charts as numbers in a 0-100 box, drawn by the templates as SVG; no script needed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

STEPS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86400, 7 * 86400, 28 * 86400)
)
"""Whole numbers of the five minutes in which judgements are counted."""

MOST_BARS: Final = 48
EPOCH: Final = datetime.fromisoformat("2001-01-01T00:00:00+00:00")  # a Monday: weeks start there


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    height: float
    at: datetime
    count: int


def step_for(first: datetime, last: datetime) -> timedelta:
    """The shortest round step that needs at most `MOST_BARS` bars."""
    return next((step for step in STEPS if (last - first) / step < MOST_BARS), STEPS[-1])


def in_steps(counts: Iterable[tuple[datetime, int]], step: timedelta) -> list[tuple[datetime, int]]:
    """Counts by the start of their step, in order; steps whose counts add up to 0 are left out."""
    sums: Counter[datetime] = Counter()
    for at, number in counts:
        sums[EPOCH + (at - EPOCH) // step * step] += number
    return sorted((at, number) for at, number in sums.items() if number)


def bars(counts: Sequence[tuple[datetime, int]], step: timedelta) -> list[Bar]:
    """One bar per step from the first to the last count, in percent of the box; gaps are zero bars.

    Nothing for no counts.
    """
    if not counts:
        return []
    known = dict(counts)
    first, last = min(known), max(known)
    total = round((last - first) / step) + 1
    times = [first + index * step for index in range(total)]
    highest = max(known.values())
    width = 100 / total
    return [
        Bar(
            x=index * width,
            width=width,
            height=100 * known.get(at, 0) / highest,
            at=at,
            count=known.get(at, 0),
        )
        for index, at in enumerate(times)
    ]


def step_in_words(step: timedelta) -> str:
    """`step` in its largest whole unit: "10 s", "1 h", "7 d"."""
    seconds = int(step.total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
