"""Spans: for each pixel row, the columns that a thick polyline or a closed outline covers.

A capsule is every point within `radius` of a segment. It is convex, so it meets the centre line of a pixel
row in one interval, each end of which lies on the disc around an end of the segment or on a straight edge.
Overlapping spans are summed through a difference array (+1 where a span starts, -1 after it ends; the running
sum along the row counts the spans on each pixel). What is a column here lies in memory row after row, so that
the running sum adds whole rows of memory, many numbers at once, instead of one number after the other. Who
wants a picture in the usual order hands in boxes and points with x and y exchanged.

Ties: a pixel centre exactly on the border counts as covered. So that rounding never decides, the border is
moved outwards by `TIE_PX`, a billionth of a pixel.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box

TIE_PX: Final = 1e-9
ROWS_AT_ONCE: Final = 100_000  # some 10 MB for a moment
Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


class Sheet:
    """Difference arrays of many boxes, one after another in flat memory, so that one pass serves them all.

    A box has one column more, where the spans that reach its right edge end. Column follows column in memory.
    """

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.boxes = boxes
        self.left, self.top, self.right, self.bottom = np.array(boxes, dtype=np.float64).T
        self.stride = self.bottom - self.top
        ends = np.cumsum(self.stride * (self.right - self.left + 1))
        self.first = np.concatenate([[0], ends[:-1]]).astype(np.intp)
        self.origin = self.first - self.left * self.stride - self.top
        self.counts = np.zeros(int(ends[-1]), dtype=np.int32)

    def add(self, places: Floats, *, step: int) -> None:
        """Change counts by `step` from some places of the flat memory onwards; they are whole numbers."""
        np.add.at(self.counts, places.astype(np.intp), np.int32(step))  # of one type: ten times faster

    def rows(self, y: Floats, reach: Floats, box: Ints) -> "_Rows":
        """Return the rows that meet discs of that reach around heights, clipped to their boxes."""
        top, bottom = self.top[box], self.bottom[box]
        return _Rows(
            np.clip(np.ceil(y - reach - 0.5), top, bottom), np.clip(np.floor(y + reach + 0.5), top, bottom)
        )

    def add_ends(self, row: Floats, x: Floats, box: Ints, *, steps: NDArray[np.int32], sign: float) -> None:
        """Begin (sign -1) or end (sign 1) a span at x on each row, `steps` times; clipped to its box."""
        column = np.ceil(x - 0.5) if sign < 0 else np.floor(x + 0.5)
        column = np.clip(column, self.left[box], self.right[box])
        places = self.origin[box] + column * self.stride[box] + row
        np.add.at(self.counts, places.astype(np.intp), steps if sign < 0 else -steps)

    def covered(self) -> Iterator[NDArray[np.uint8]]:
        """Sum up and yield, for each box, a mask (width, height) in {0, 1} of what is covered."""
        for box, first in zip(self.boxes, self.first.tolist(), strict=True):
            counts = self.counts[first : first + box.height * (box.width + 1)].reshape(-1, box.height)
            np.cumsum(counts, axis=0, out=counts)  # box by box, so that what follows meets it in the cache
            yield (counts[:-1] > 0).view(np.uint8)


class Paths(NamedTuple):
    """Thick polylines, one after another; a point that repeats the one before it is left out.

    Parameters
    ----------
    points : (V, 2) float64, x, y
    reach : (V,) float64, half the width
    first, last : (V,) bool, where a polyline begins and ends
    """

    points: Floats
    reach: Floats
    first: Bools
    last: Bools

    @classmethod
    def of(cls, lines: Sequence[tuple[Floats, float]]) -> "Paths":
        """Collect polylines (P, 2) and their radii."""
        kept = [points[_moves(points)] for points, _ in lines]
        ends = np.cumsum([len(points) for points in kept])
        first, last = np.zeros((2, ends[-1]), dtype=bool)
        first[0], first[ends[:-1]], last[ends - 1] = True, True, True
        radii = np.array([radius for _, radius in lines])
        return cls(np.concatenate(kept), np.repeat(radii + TIE_PX, np.diff(ends, prepend=0)), first, last)


def _moves(points: Floats) -> Bools:
    moves = np.ones(len(points), dtype=bool)
    np.any(points[1:] != points[:-1], axis=1, out=moves[1:])
    return moves


def add_paths(sheet: Sheet, paths: Paths, box: Ints) -> None:
    """Add the row spans of thick polylines to a sheet, each clipped to its box.

    Per row, the spans of all capsules less those of the discs around the points where two capsules join: what
    is left counts, for each pixel, how often the polyline comes within reach of it. Most ends of spans cancel
    out; only those on the outline of the polyline are worked out.

    Parameters
    ----------
    paths : at least one point
    box : (V,) which box of the sheet each point belongs to
    """
    x, y = paths.points.T
    rows = sheet.rows(y, paths.reach, box)
    segments = _segments(paths)
    for sign in (-1.0, 1.0):  # the left ends, then the right ends
        lean = -sign * segments.tilt
        upper = _row_from(y[segments.upper] + lean, rows, segments.upper)
        lower = _row_from(y[segments.lower] + lean, rows, segments.lower)
        arcs = _arcs(segments, rows, upper, lower)
        for some, row in _by_row(arcs.top, arcs.after):
            at = arcs.point[some]
            rise = row + 0.5 - y[at]
            half = np.sqrt(np.maximum(paths.reach[at] ** 2 - rise * rise, 0.0))
            sheet.add_ends(row, x[at] + sign * half, box[at], steps=arcs.times[some], sign=sign)
        for some, row in _by_row(upper, lower):
            at = segments.upper[some]
            share = np.clip((row + 0.5 - y[at] - lean[some]) / segments.fall[some], 0.0, 1.0)
            column = x[at] + share * segments.run[some] + sign * segments.half[some]
            sheet.add_ends(row, column, box[at], steps=np.ones(len(some), dtype=np.int32), sign=sign)


class _Segments(NamedTuple):
    """Segments of polylines: (S,) numbers of their points, and what places their straight edges."""

    start: Ints
    upper: Ints
    lower: Ints
    run: Floats
    fall: Floats
    tilt: Floats
    half: Floats


def _segments(paths: Paths) -> _Segments:
    start = np.flatnonzero(~paths.last)
    downward = paths.points[start, 1] <= paths.points[start + 1, 1]
    upper, lower = np.where(downward, start, start + 1), np.where(downward, start + 1, start)
    run, fall = (paths.points[lower] - paths.points[upper]).T
    per_length = paths.reach[start] / np.hypot(run, fall)
    return _Segments(start, upper, lower, run, fall, tilt=run * per_length, half=fall * per_length)


class _Rows(NamedTuple):
    """The rows from `top` up to `after` that the disc around each point meets, (V,) whole numbers."""

    top: Floats
    after: Floats


def _row_from(height: Floats, rows: _Rows, point: Ints) -> Floats:
    """Return the first row at or below a height, held within the rows of a point."""
    return np.clip(np.ceil(height - 0.5), rows.top[point], rows.after[point])


class _Arcs(NamedTuple):
    """Rows of discs on which the outline follows the disc: which point, rows, and how often (1 or -1)."""

    point: Ints
    top: Floats
    after: Floats
    times: NDArray[np.int32]


def _arcs(segments: _Segments, rows: _Rows, upper: Floats, lower: Floats) -> _Arcs:
    """Find where an end of the spans lies on a disc.

    A capsule follows the disc of its upper point above the row `upper` and that of its lower point from the
    row `lower` on. A disc between two capsules is taken away once; where there is no capsule it is not.
    """
    turn = np.stack([rows.top, rows.top])  # the row at which the capsules before and after a point turn
    below = np.ones(
        (2, len(rows.top)), dtype=bool
    )  # whether they follow the disc from there on or up to there
    downward = segments.start == segments.upper
    turn[1, segments.start] = np.where(downward, upper, lower)
    turn[0, segments.start + 1] = np.where(downward, lower, upper)
    below[1, segments.start] = ~downward
    below[0, segments.start + 1] = downward
    early, late = turn.min(axis=0), turn.max(axis=0)
    swap = turn[0] > turn[1]
    below_early, below_late = np.where(swap, below[1], below[0]), np.where(swap, below[0], below[1])
    top = np.concatenate([rows.top, early, late])
    after = np.concatenate([early, late, rows.after])
    follows = [(~below_early, ~below_late), (below_early, ~below_late), (below_early, below_late)]
    times = np.concatenate([one.astype(np.int32) + two - 1 for one, two in follows])
    used = np.flatnonzero((times != 0) & (after > top))
    return _Arcs(used % len(rows.top), top[used], after[used], times[used])


def _by_row(top: Floats, after: Floats) -> Iterator[tuple[Ints, Floats]]:
    """Yield, a bounded number at a time, every row from `top` up to `after` of each, and whose row it is."""
    ends = np.cumsum(after - top)
    first = 0
    while first < len(top):
        before = ends[first - 1] if first else 0.0
        end = max(first + 1, int(np.searchsorted(ends, before + ROWS_AT_ONCE, side="right")))
        rows, row = _rows(top[first:end], after[first:end])
        yield np.repeat(np.arange(first, end), rows), row
        first = end


def _rows(top: Floats, after: Floats) -> tuple[Ints, Floats]:
    """Return how many rows there are from `top` up to `after` of each, and all of them one after another."""
    rows = np.maximum(after - top, 0).astype(np.intp)
    before = np.cumsum(rows) - rows
    return rows, np.arange(float(rows.sum())) + np.repeat(top - before, rows)


def add_inside(sheet: Sheet, outline: Floats, box: int) -> None:
    """Add the row spans of the inside of a closed outline to a sheet.

    Parameters
    ----------
    outline : (P, 2) float64, corners as x, y, closed from last to first, going round every enclosed point
        exactly once and clockwise as seen on the screen; centres on the outline itself may fall either way
    box : which box of the sheet it belongs to
    """
    following = np.roll(outline, -1, axis=0)
    for start, end, step in ((outline, following, -1), (following, outline, 1)):
        row, column = _crossings(start, end, sheet.boxes[box])
        sheet.add(sheet.origin[box] + column * sheet.stride[box] + row, step=step)


def _crossings(start: Floats, end: Floats, box: Box) -> tuple[Floats, Floats]:
    """Return, for each row that a descending edge crosses, the row and the first column right of it."""
    top = np.clip(np.ceil(start[:, 1] - 0.5), box.top, box.bottom)
    after = np.clip(np.ceil(end[:, 1] - 0.5), box.top, box.bottom)
    rows, row = _rows(top, after)
    run, fall = (end - start).T
    slope = np.divide(run, fall, out=np.zeros_like(run), where=fall > 0)
    x = np.repeat(start[:, 0], rows) + (row + 0.5 - np.repeat(start[:, 1], rows)) * np.repeat(slope, rows)
    return row, np.clip(np.ceil(x - 0.5), box.left, box.right)
