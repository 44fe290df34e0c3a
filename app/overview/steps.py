"""Round steps of time for what is counted over time."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final

from app.studies.tallies import CountsOverTime

STEPS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 86400, 7 * 86400, 28 * 86400)
)
"""Whole numbers of the five minutes in which judgements are counted."""

MOST_STEPS: Final = 48
EPOCH: Final = datetime.fromisoformat("2001-01-01T00:00:00+00:00")  # a Monday: weeks start there


def step_for(first: datetime, last: datetime) -> timedelta:
    """The shortest round step of which at most `MOST_STEPS` lie between two times."""
    return next((step for step in STEPS if (last - first) / step < MOST_STEPS), STEPS[-1])


def in_steps(counts: CountsOverTime) -> tuple[list[tuple[datetime, int]], timedelta | None]:
    """Counts by the start of their step, in order, and how long a step is; steps whose counts add up to 0 are
    left out. Steps reach from the first that came to the last; nothing and None where nothing came."""
    came = [at for at, number in counts if number > 0]
    if not came:
        return [], None
    step = step_for(_time(came[0]), _time(came[-1]))
    length, start = int(step.total_seconds()), int(EPOCH.timestamp())
    sums: Counter[int] = Counter()
    for at, number in counts:
        sums[at - (at - start) % length] += number
    return [(_time(at), number) for at, number in sorted(sums.items()) if number], step


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
