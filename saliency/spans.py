"""Spans: for each pixel row, the columns that a thick segment or a closed outline covers.

A capsule is every point within `radius` of a segment. It is convex, so it meets the centre line of a pixel
row in one interval, whose ends have a closed form. Overlapping spans are summed through a difference array
(+1 where a span starts, -1 after it ends; the running sum along the row counts the spans on each pixel).

Ties: a pixel centre exactly on the border counts as covered. So that rounding never decides, the border is
moved outwards by `TIE_PX`, a billionth of a pixel.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box

TIE_PX: Final = 1e-9

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Spans:
    """Where counts change: at (row, column) by `step`; columns run one past the box."""

    row: Ints
    column: Ints
    step: int


def capsule_spans(start: Floats, end: Floats, radius: Floats, *, box: Box) -> list[Spans]:
    """Cut capsules into row spans, clipped to a box.

    Parameters
    ----------
    start, end : (S, 2) float64, ends of the segments as x, y; equal ends make a disc
    radius : (S,) float64 in pixels, at least 0
    box : pixels of interest; what lies outside it is dropped

    Returns
    -------
    spans : starts and ends of the covered columns, in image coordinates
    """
    downward = (start[:, 1] <= end[:, 1])[:, None]
    upper, lower = np.where(downward, start, end), np.where(downward, end, start)
    reach = radius + TIE_PX
    top = np.maximum(np.ceil(upper[:, 1] - reach - 0.5), box.top)
    bottom = np.minimum(np.floor(lower[:, 1] + reach - 0.5), box.bottom - 1)
    rows = np.maximum(bottom - top + 1, 0).astype(np.intp)
    segment = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(segment)) + np.repeat(top.astype(np.intp) - (np.cumsum(rows) - rows), rows)
    left, right = _row_ends(upper, lower, reach, segment=segment, row=row)
    return _clipped(row, left, right, box=box)


def _row_ends(
    upper: Floats, lower: Floats, reach: Floats, *, segment: Ints, row: Ints
) -> tuple[Floats, Floats]:
    """Return the x of both ends of each capsule on its rows.

    Each end lies on the circle around one point of the segment, the same fraction t of the way down for a
    whole row: the foot of the contact point, held within the segment.
    """
    run, fall = (lower - upper).T
    length = np.hypot(run, fall)
    tilt = np.divide(reach * run, length, out=np.zeros_like(length), where=length > 0)
    per_fall = 1.0 / np.where(fall > 0, fall, 1e-30)
    below = (row + 0.5) - upper[segment, 1]
    run_, fall_, per_fall_, tilt_ = run[segment], fall[segment], per_fall[segment], tilt[segment]
    square, x = (reach * reach)[segment], upper[segment, 0]
    ends = []
    for side in (-1.0, 1.0):
        t = np.clip((below + side * tilt_) * per_fall_, 0.0, 1.0)
        height = below - t * fall_
        half = np.sqrt(np.maximum(square - height * height, 0.0))
        ends.append(x + t * run_ + side * half)
    return ends[0], ends[1]


def _clipped(row: Ints, left: Floats, right: Floats, *, box: Box) -> list[Spans]:
    first = np.maximum(np.ceil(left - 0.5), box.left).astype(np.intp)
    after = np.minimum(np.floor(right - 0.5) + 1, box.right).astype(np.intp)
    kept = first < after
    if not kept.all():
        row, first, after = row[kept], first[kept], after[kept]
    return [Spans(row, first, 1), Spans(row, after, -1)]


def winding_spans(outline: Floats, *, box: Box) -> list[Spans]:
    """Cut the inside of a closed outline into row spans, clipped to a box.

    Parameters
    ----------
    outline : (P, 2) float64, corners as x, y, closed from last to first, going round every enclosed point
        exactly once and clockwise as seen on the screen; centres on the outline itself may fall either way
    box : pixels of interest
    """
    start, end = outline, np.roll(outline, -1, axis=0)
    down = _crossings(start, end, box=box)
    up = _crossings(end, start, box=box)
    return [Spans(*down, -1), Spans(*up, 1)]


def _crossings(start: Floats, end: Floats, *, box: Box) -> tuple[Ints, Ints]:
    """Return row and first column right of the crossing, for each row that a descending edge crosses."""
    top = np.maximum(np.ceil(start[:, 1] - 0.5), box.top)
    after = np.minimum(np.ceil(end[:, 1] - 0.5), box.bottom)
    rows = np.maximum(after - top, 0).astype(np.intp)
    edge = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(edge)) + np.repeat(top.astype(np.intp) - (np.cumsum(rows) - rows), rows)
    run, fall = (end - start).T
    x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * (run[edge] / fall[edge])
    return row, np.clip(np.ceil(x - 0.5), box.left, box.right).astype(np.intp)


def covered(spans: list[Spans], *, box: Box) -> NDArray[np.bool_]:
    """Sum spans over a box: True where at least one covers the pixel.

    Returns
    -------
    covered : (box.height, box.width) bool
    """
    depth = sum(len(part.row) for part in spans)  # no pixel can be covered more often than this
    counts = np.zeros((box.height, box.width + 1), dtype=np.int16 if depth < 2**15 else np.int32)
    flat = counts.reshape(-1)
    for part in spans:
        index = (part.row - box.top) * (box.width + 1) + (part.column - box.left)
        np.add.at(flat, index, counts.dtype.type(part.step))  # the same type on both sides: ten times faster
    np.cumsum(counts, axis=1, dtype=counts.dtype, out=counts)
    inside: NDArray[np.bool_] = counts[:, :-1] > 0
    return inside
