"""Round steps of time for what is counted over time."""

from datetime import datetime, timedelta
from typing import Final

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
