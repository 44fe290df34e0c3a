"""Small charts as numbers in a 0-100 box, drawn by the templates as SVG; no script needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    height: float
    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars of equal steps from the first count to the last; no bars for no counts."""

    bars: Sequence[Bar]
    step: str
    """In words."""

    @property
    def highest(self) -> int:
        return max(bar.count for bar in self.bars)


NO_CHART: Final = Chart((), "")


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
