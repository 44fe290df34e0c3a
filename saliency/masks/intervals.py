"""Sets of whole numbers as sorted intervals that neither overlap nor touch, and what to do with many of them.

Cost follows how many intervals there are, never how long they are. An *end* is where an interval begins or
stops, as one number: twice its place, plus 1 where what it counts goes down. Sorted, ends of one place come
with those that go up first, so that intervals which touch are one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Intervals(NamedTuple):
    """From each start up to, and without, its stop.

    Parameters
    ----------
    start, stop : (N,) int64, start < stop; ascending
    """

    start: Ints
    stop: Ints

    @property
    def length(self) -> int:
        """How many numbers are in the set."""
        return int((self.stop - self.start).sum())

    def within(self, low: int, high: int) -> "Intervals":
        """Return the intervals from `low` up to `high`; none may reach over either."""
        first, last = np.searchsorted(self.start, [low, high])
        return Intervals(self.start[first:last], self.stop[first:last])

    def moved(self, by: int) -> "Intervals":
        """Return the set with a number added to each of its members."""
        return Intervals(self.start + by, self.stop + by)


def ends(place: Ints, step: NDArray[np.int32]) -> Ints:
    """Return ends at some places, where counting goes up (step 1) or down (step -1)."""
    return 2 * place + (step < 0)


def covered(unsorted: Ints) -> Intervals:
    """Return where the count of all ends up to there is above 0; it must come to 0 at last.

    Counts may be those of intervals less others, as long as the difference is nowhere negative.
    """
    # The lowest bit of an end says whether it goes up or down, so ups come before downs at one place.
    ordered = np.sort(unsorted)
    counts = np.cumsum(1 - 2 * (ordered & 1).astype(np.int32), dtype=np.int32)
    inside = counts > 0
    before = np.zeros_like(inside)
    before[1:] = inside[:-1]
    start, stop = ordered[inside & ~before] >> 1, ordered[before & ~inside] >> 1
    has_length = stop > start
    return Intervals(start[has_length], stop[has_length])


def overlap(first: Intervals, second: Intervals) -> int:
    """Return how many numbers are in both sets; it costs little when one has few intervals."""
    few, many = (first, second) if len(first.start) < len(second.start) else (second, first)
    return int((_up_to(many, few.stop) - _up_to(many, few.start)).sum())


def _up_to(intervals: Intervals, place: Ints) -> Ints:
    """Return how many numbers of the set are below each place."""
    before = np.concatenate([[0], np.cumsum(intervals.stop - intervals.start)])
    begun = np.searchsorted(intervals.start, place)
    last = np.append(intervals.stop, 0)[begun - 1]  # of nothing, if none has begun
    return before[begun] - np.where(begun > 0, np.maximum(last - place, 0), 0)


def latest(start: Ints, stop: Ints, rank: NDArray[np.int32]) -> tuple[Ints, NDArray[np.int32]]:
    """Return which of several overlapping intervals is on top, the one of the highest rank.

    Parameters
    ----------
    start, stop : (N,) int64, start < stop, in any order
    rank : (N,) at least 1

    Returns
    -------
    place : (P,) int64, ascending
    top : (P,) the highest rank from each place up to the next one; 0 where there is no interval
    """
    place, (first, after) = _numbered(start, stop)
    # Two stretches whose length is a power of two cover an interval; each hands its rank on to its halves.
    power = np.frexp(after - first)[1] - 1
    top = np.zeros(len(place), dtype=np.int32)
    for level in range(int(power.max(initial=0)), -1, -1):
        length = 1 << level
        at_level = np.flatnonzero(power == level)
        np.maximum.at(top, first[at_level], rank[at_level])
        np.maximum.at(top, after[at_level] - length, rank[at_level])
        if level:
            handed = top[: -(length // 2)].copy()
            np.maximum(top[length // 2 :], handed, out=top[length // 2 :])
    return place, top


def _numbered(start: Ints, stop: Ints) -> tuple[Ints, tuple[Ints, Ints]]:
    """Return all different places in ascending order, and which of them each start and each stop is."""
    places = np.concatenate([start, stop])
    bits = len(places).bit_length()
    ordered = np.sort((places << bits) + np.arange(len(places)))  # a third of the time of argsort
    place, whose = ordered >> bits, ordered & ((1 << bits) - 1)
    is_new = _is_new(place)
    number = np.empty(len(places), dtype=np.int64)
    number[whose] = np.cumsum(is_new) - 1
    return place[is_new], (number[: len(start)], number[len(start) :])


def distinct(ordered: Ints) -> Ints:
    """Return sorted numbers, each once; `np.unique` takes fifty times as long."""
    return ordered[_is_new(ordered)]


def _is_new(ordered: Ints) -> NDArray[np.bool_]:
    is_new = np.ones(len(ordered), dtype=bool)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    return is_new
