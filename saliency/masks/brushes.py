"""Spans: for each pixel column, the rows that a thick polyline covers.

A capsule is every point within `reach` of a segment. It is convex, so it meets the centre line of a pixel
column in one interval, each end of which lies on the disc around an end of the segment or on a straight edge.
Adding all capsules and taking away the discs in which two of them join counts, at each pixel, how often the
polyline comes within reach of it. In that sum most ends of intervals cancel out, and which ones do is known
beforehand: only those on the outline of the polyline are worked out.

Ties: a pixel centre exactly on the border counts as covered. So that rounding never decides, the border is
moved outwards by `TIE_PX`, a billionth of a pixel.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saliency.masks.intervals import Ints, ends

TIE_PX: Final = 1e-9
ENDS_AT_ONCE: Final = 16_384  # what is worked out about them stays in the processor's cache
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Steps = NDArray[np.int32]


class Frame(NamedTuple):
    """An image whose pixels stand in one line: column after column, below each one place that stays empty."""

    width: int
    height: int

    @property
    def stride(self) -> int:
        """Places in a column."""
        return self.height + 1

    @property
    def places(self) -> int:
        """Places altogether."""
        return self.width * self.stride


class ThickLines(NamedTuple):
    """Thick polylines, one after another; a point that repeats the one before it is left out.

    Parameters
    ----------
    x, y : (V,) float64, pixels
    reach : (V,) float64, half the width
    place : (V,) int64, where the places of the image begin that a polyline is drawn on
    first, last : (V,) bool, where a polyline begins and ends
    """

    x: Floats
    y: Floats
    reach: Floats
    place: Ints
    first: Bools
    last: Bools

    @classmethod
    def of(cls, lines: Sequence[tuple[Floats, float]], places: Ints) -> "ThickLines":
        """Collect polylines (P, 2) and their radii, one at least; `places` as `place`, for each polyline."""
        points = np.concatenate([points for points, _ in lines])
        radii = np.array([radius for _, radius in lines], dtype=np.float64)
        line = np.repeat(np.arange(len(lines)), [len(points) for points, _ in lines])
        first = np.ones(len(line), dtype=bool)
        first[1:] = line[1:] != line[:-1]
        # A segment of no length has no direction, so its second point is dropped.
        moves = first.copy()
        moves[1:] |= np.any(points[1:] != points[:-1], axis=1)
        corners, line, first = points[moves], line[moves], first[moves]
        last = np.append(first[1:], True)
        return cls(
            corners[:, 0].copy(), corners[:, 1].copy(), radii[line] + TIE_PX, places[line], first, last
        )


def path_ends(paths: ThickLines, frame: Frame) -> Iterator[Ints]:
    """Yield the ends of the column spans of thick polylines, clipped to the image."""
    # A side of a span lies on the arc of a disc or on the straight edge of a capsule; each gives ends.
    columns = _columns(paths, frame)
    segments = _segments(paths)
    for side in (-1.0, 1.0):  # where spans begin, then where they stop
        lean = -side * segments.tilt  # from a point to where its disc passes into the straight edge, along x
        left = _column_from(paths.x[segments.left] + lean, columns, segments.left)
        right = _column_from(paths.x[segments.right] + lean, columns, segments.right)
        arcs = _arcs(segments, columns, left, right)
        for chosen, column in _by_column(arcs.start, arcs.after):
            point = arcs.point[chosen]
            dx = column + 0.5 - paths.x[point]
            dy = np.sqrt(np.maximum(paths.reach[point] ** 2 - dx * dx, 0.0))
            row = _row(paths.y[point] + side * dy, frame, side)
            yield ends(paths.place[point] + column * frame.stride + row, -int(side) * arcs.times[chosen])
        for chosen, column in _by_column(left, right):
            point = segments.left[chosen]
            share = (column + 0.5 - paths.x[point] - lean[chosen]) / segments.run[chosen]
            y = (
                paths.y[point]
                + np.clip(share, 0.0, 1.0) * segments.rise[chosen]
                + side * segments.half[chosen]
            )
            place = paths.place[point] + column * frame.stride + _row(y, frame, side)
            yield ends(place, np.full(len(place), -side, dtype=np.int32))


def _row(y: Floats, frame: Frame, side: float) -> Ints:
    """Return the row at which a span begins (side -1) or before which it stops (side 1)."""
    row = np.ceil(y - 0.5) if side < 0 else np.floor(y + 0.5)
    return np.clip(row, 0.0, frame.height).astype(np.int64)


class _Columns(NamedTuple):
    """The columns from `start` up to `after` that the disc around each point meets, (V,)."""

    start: Ints
    after: Ints


def _columns(paths: ThickLines, frame: Frame) -> _Columns:
    start = np.clip(np.ceil(paths.x - paths.reach - 0.5), 0, frame.width)
    after = np.clip(np.floor(paths.x + paths.reach + 0.5), 0, frame.width)
    return _Columns(start.astype(np.int64), after.astype(np.int64))


def _column_from(x: Floats, columns: _Columns, point: Ints) -> Ints:
    """Return the first column at or right of x, held within the columns of a point."""
    column = np.clip(np.ceil(x - 0.5), columns.start[point], columns.after[point])
    return column.astype(np.int64)


class _Segments(NamedTuple):
    """Segments of polylines: (S,) numbers of their points, and what places their straight edges."""

    first: Ints
    left: Ints
    right: Ints
    run: Floats
    rise: Floats
    tilt: Floats
    half: Floats


def _segments(paths: ThickLines) -> _Segments:
    first = np.flatnonzero(~paths.last)
    rightward = paths.x[first] <= paths.x[first + 1]
    left, right = np.where(rightward, first, first + 1), np.where(rightward, first + 1, first)
    run, rise = paths.x[right] - paths.x[left], paths.y[right] - paths.y[left]
    per_length = paths.reach[first] / np.hypot(run, rise)
    return _Segments(first, left, right, run, rise, tilt=rise * per_length, half=run * per_length)


class _Arcs(NamedTuple):
    """Columns in which the outline follows a disc: of which point, from where to where, 1 or -1 times."""

    point: Ints
    start: Ints
    after: Ints
    times: Steps


def _arcs(segments: _Segments, columns: _Columns, left: Ints, right: Ints) -> _Arcs:
    """Find where an end of the spans lies on a disc.

    A capsule follows the disc of its left point up to the column `left` and that of its right point from the
    column `right` on. A disc between two capsules is taken away once; where there is no capsule it is not.
    """
    points = len(columns.start)
    turn = np.stack([columns.start, columns.start])  # the column at which the capsules beside a point turn
    onward = np.ones((2, points), dtype=bool)  # whether they follow the disc from there on or up to there
    rightward = segments.first == segments.left
    turn[1, segments.first] = np.where(rightward, left, right)
    turn[0, segments.first + 1] = np.where(rightward, right, left)
    onward[1, segments.first] = ~rightward
    onward[0, segments.first + 1] = rightward
    # Up to `early`, between the two, and from `late` on, the same capsules follow the disc.
    early, late = turn.min(axis=0), turn.max(axis=0)
    swap = turn[0] > turn[1]
    from_early, from_late = np.where(swap, onward[1], onward[0]), np.where(swap, onward[0], onward[1])
    start = np.concatenate([columns.start, early, late])
    after = np.concatenate([early, late, columns.after])
    follows = [(~from_early, ~from_late), (from_early, ~from_late), (from_early, from_late)]
    # Each capsule that follows the disc adds its arc, and the disc taken away subtracts it: 1, 0 or -1 times.
    # At the end of a polyline the capsule that is not there counts as following, so nothing is taken away.
    times = np.concatenate([first.astype(np.int32) + second - 1 for first, second in follows])
    used = np.flatnonzero((times != 0) & (after > start))
    return _Arcs(used % points, start[used], after[used], times[used])


def _by_column(start: Ints, after: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield, a bounded number at a time, every column from `start` up to `after` of each, and whose it is."""
    stops = np.cumsum(np.maximum(after - start, 0))
    first = 0
    while first < len(start):
        before = int(stops[first - 1]) if first else 0
        end = max(first + 1, int(np.searchsorted(stops, before + ENDS_AT_ONCE, side="right")))
        number = np.diff(stops[first:end], prepend=before)
        offset = np.repeat(start[first:end] - (stops[first:end] - number - before), number)
        yield np.repeat(np.arange(first, end), number), offset + np.arange(len(offset))
        first = end
