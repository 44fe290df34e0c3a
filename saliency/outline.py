"""The outer outline of a closed curve that may cross itself, found with exact arithmetic.

A point is enclosed when no path leads from it to infinity without meeting the curve: on the curve, or in any
region that it cuts off, however often and in whichever direction it winds round that region. The curve is
connected, so the outside has one border, and walking along it, always turning towards the outside, draws an
outline that goes round every enclosed point exactly once.

Corners are read to the nearest 2^-30 px. From there on all decisions are made on integers and fractions:
retraced lines, crossings in a corner and overlapping edges are ordinary cases.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

Exact = int | Fraction
Vector = tuple[int, int]

UNITS_PER_PX: Final = 2**30  # coordinates up to 2^22 px stay exact in float64
PAIRS_AT_ONCE: Final = 2**21  # edge pairs compared in one go, some 10 MB


@dataclass(frozen=True, slots=True)
class _Heading:
    """A place on an edge, as the fraction `at` of its length, and the way to go on along it."""

    edge: int
    at: Exact
    forward: bool


class _Curve:
    """The edges of the closed polyline in integer units, and which of them come near a stretch."""

    def __init__(self, corners: NDArray[np.float64]) -> None:
        following = np.roll(corners, -1, axis=0)
        self.low, self.high = np.minimum(corners, following).T, np.maximum(corners, following).T
        self.start: list[Vector] = [(int(x), int(y)) for x, y in corners]
        ends = self.start[1:] + self.start[:1]
        self.run: list[Vector] = [(b[0] - a[0], b[1] - a[1]) for a, b in zip(self.start, ends, strict=True)]
        self.plain = self._plain_edges(following - corners)

    def _plain_edges(self, run: NDArray[np.float64]) -> list[bool]:
        """Tell which edges meet only the edges before and after them, each in one corner.

        Almost all edges of a hand-drawn outline are plain; the walk passes them without any arithmetic.
        """
        edges = len(run)
        met = np.empty(edges, dtype=np.intp)
        for first in range(0, edges, step := max(1, PAIRS_AT_ONCE // edges)):
            part = slice(first, first + step)
            met[part] = self._meets(self.low[:, part, None], self.high[:, part, None]).sum(axis=1)
        after = np.roll(run, -1, axis=0)
        sharp = (run * after).sum(axis=1) <= 0  # the two might lie on each other: left to exact arithmetic
        plain: list[bool] = ((met == 3) & ~sharp & ~np.roll(sharp, 1)).tolist()
        return plain

    def _meets(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which bounding boxes of edges touch the given ones, as x and y of two corners."""
        across: NDArray[np.bool_] = (self.low[0] <= high[0]) & (self.high[0] >= low[0])
        across &= self.low[1] <= high[1]
        across &= self.high[1] >= low[1]
        return across

    def near(self, edge: int) -> list[int]:
        """Return the other edges whose bounding box meets this one's."""
        (left, top), (right, bottom) = self.low[:, edge], self.high[:, edge]
        meets = (
            (self.low[0] <= right) & (self.high[0] >= left) & (self.low[1] <= bottom) & (self.high[1] >= top)
        )
        return [int(other) for other in np.flatnonzero(meets) if other != edge]

    def direction(self, heading: _Heading) -> Vector:
        x, y = self.run[heading.edge]
        return (x, y) if heading.forward else (-x, -y)

    def place(self, heading: _Heading) -> tuple[Exact, Exact]:
        (x, y), (dx, dy) = self.start[heading.edge], self.run[heading.edge]
        return x + heading.at * dx, y + heading.at * dy


def outer_outline(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the border between the enclosed points of a closed polyline and the outside.

    Parameters
    ----------
    points : (P, 2) float64 of x, y in pixels; the last point is joined to the first

    Returns
    -------
    outline : (Q, 2) float64, clockwise as seen on the screen; Q = 0 when fewer than three corners differ.
        A curve that encloses no area gives an outline that runs there and back.
    """
    corners = _distinct(np.rint(points * UNITS_PER_PX))
    if len(corners) < 3:
        return np.empty((0, 2))
    walk = [(float(x), float(y)) for x, y in _walk(_Curve(corners))]
    return np.array(walk) / UNITS_PER_PX


def _distinct(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.any(corners != np.roll(corners, 1, axis=0), axis=1)
    return corners[kept]


def _walk(curve: _Curve) -> Iterator[tuple[Exact, Exact]]:
    first = heading = _departure(curve)
    while True:
        yield curve.place(heading)
        heading = _next_heading(curve, heading)
        if _same(curve, heading, first):
            return


def _departure(curve: _Curve) -> _Heading:
    """Leave the topmost, then leftmost corner, keeping the inside on the right."""
    x, y = min(curve.start, key=lambda corner: (corner[1], corner[0]))
    last = len(curve.start) - 1
    leaving = [edge for edge, corner in enumerate(curve.start) if corner == (x, y)]
    ways = [_Heading(edge, 0, forward=True) for edge in leaving]
    ways += [_Heading(edge - 1 if edge else last, 1, forward=False) for edge in leaving]
    return _leftmost(curve, ways, back=(-1, 0))


def _next_heading(curve: _Curve, heading: _Heading) -> _Heading:
    """Go on to the nearest place where anything meets the edge, then turn as far left as possible."""
    if curve.plain[heading.edge]:
        return _along(curve, heading)
    goal: Exact = 1 if heading.forward else 0
    meetings = [_Heading(heading.edge, goal, forward=True)]
    for at, other, other_at in _meetings(curve, heading.edge):
        if not _ahead(at, heading):
            continue
        if _ahead(meetings[0].at, _Heading(heading.edge, at, heading.forward)):
            meetings = [_Heading(heading.edge, at, forward=True)]
        if at == meetings[0].at:
            meetings.append(_Heading(other, other_at, forward=True))
    ways = [way for meeting in meetings for way in _ways(meeting)]
    x, y = curve.direction(heading)
    return _leftmost(curve, ways, back=(-x, -y))


def _along(curve: _Curve, heading: _Heading) -> _Heading:
    edges = len(curve.start)
    if heading.forward:
        return _Heading((heading.edge + 1) % edges, 0, forward=True)
    return _Heading((heading.edge - 1) % edges, 1, forward=False)


def _ahead(at: Exact, heading: _Heading) -> bool:
    return at > heading.at if heading.forward else at < heading.at


def _ways(meeting: _Heading) -> Iterator[_Heading]:
    if meeting.at < 1:
        yield _Heading(meeting.edge, meeting.at, forward=True)
    if meeting.at > 0:
        yield _Heading(meeting.edge, meeting.at, forward=False)


def _meetings(curve: _Curve, edge: int) -> Iterator[tuple[Exact, int, Exact]]:
    """Yield (place on this edge, other edge, place on the other) wherever another edge meets this one."""
    for other in curve.near(edge):
        gap = _minus(curve.start[other], curve.start[edge])
        if _cross(curve.run[edge], curve.run[other]):
            yield from _crossing(curve.run[edge], curve.run[other], gap, other)
        elif not _cross(gap, curve.run[edge]):
            yield from _overlap(curve.run[edge], curve.run[other], gap, other)


def _crossing(run: Vector, other_run: Vector, gap: Vector, other: int) -> Iterator[tuple[Exact, int, Exact]]:
    turn = _cross(run, other_run)
    at, other_at = _cross(gap, other_run), _cross(gap, run)
    if turn < 0:
        turn, at, other_at = -turn, -at, -other_at
    if 0 <= at <= turn and 0 <= other_at <= turn:
        yield _ratio(at, turn), other, _ratio(other_at, turn)


def _overlap(run: Vector, other_run: Vector, gap: Vector, other: int) -> Iterator[tuple[Exact, int, Exact]]:
    """Yield the ends of either edge that lie on the other, for edges on one line."""
    length, other_length = _dot(run, run), _dot(other_run, other_run)
    for end in (0, 1):
        at = _dot((gap[0] + end * other_run[0], gap[1] + end * other_run[1]), run)
        if 0 <= at <= length:
            yield _ratio(at, length), other, end
        other_at = _dot((end * run[0] - gap[0], end * run[1] - gap[1]), other_run)
        if 0 < other_at < other_length:
            yield end, other, _ratio(other_at, other_length)


def _leftmost(curve: _Curve, ways: list[_Heading], *, back: Vector) -> _Heading:
    """Return the way met first when turning clockwise from the way back, which itself comes last."""
    best = ways[0]
    for way in ways[1:]:
        if _sooner(curve.direction(way), curve.direction(best), back):
            best = way
    return best


def _sooner(one: Vector, two: Vector, back: Vector) -> bool:
    half_one, half_two = _half(one, back), _half(two, back)
    return half_one < half_two if half_one != half_two else _cross(one, two) > 0


def _half(direction: Vector, back: Vector) -> int:
    turn = _cross(back, direction)
    if turn == 0:
        return 1 if _dot(back, direction) < 0 else 3
    return 0 if turn > 0 else 2


def _same(curve: _Curve, one: _Heading, two: _Heading) -> bool:
    ahead, other = curve.direction(one), curve.direction(two)
    return _cross(ahead, other) == 0 and _dot(ahead, other) > 0 and curve.place(one) == curve.place(two)


def _ratio(part: int, whole: int) -> Exact:
    if part in (0, whole):
        return int(part != 0)
    return Fraction(part, whole)


def _minus(one: Vector, two: Vector) -> Vector:
    return one[0] - two[0], one[1] - two[1]


def _cross(one: Vector, two: Vector) -> int:
    return one[0] * two[1] - one[1] * two[0]


def _dot(one: Vector, two: Vector) -> int:
    return one[0] * two[0] + one[1] * two[1]
