"""Spans: for each pixel row, the columns that a thick segment or a closed outline covers.

A capsule is every point within `radius` of a segment. It is convex, so it meets the centre line of a pixel
row in one interval, whose ends have a closed form. Overlapping spans are summed through a difference array
(+1 where a span starts, -1 after it ends; the running sum along the row counts the spans on each pixel).

Ties: a pixel centre exactly on the border counts as covered. So that rounding never decides, the border is
moved outwards by `TIE_PX`, a billionth of a pixel.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box

TIE_PX: Final = 1e-9
Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class Sheet:
    """Difference arrays of many boxes, one after another in flat memory, so that one pass serves them all.

    A row has one column more than its box, where the spans that reach its right edge end; so every row sums
    to zero and a running sum may pass from row to row and from box to box.
    """

    def __init__(self, boxes: Sequence[Box]) -> None:
        self.boxes = boxes
        self.left, self.top, self.right, self.bottom = np.array(boxes, dtype=np.float64).T
        self.stride = self.right - self.left + 1
        ends = np.cumsum(self.stride * (self.bottom - self.top))
        self.first = np.concatenate([[0], ends[:-1]]).astype(np.intp)
        self.origin = self.first - self.top * self.stride - self.left
        self.counts = np.zeros(int(ends[-1]), dtype=np.int32)  # numpy sums these five times faster than int8

    def add(self, places: Floats, *, step: int) -> None:
        """Change counts by `step` from some places of the flat memory onwards; they are whole numbers."""
        np.add.at(self.counts, places.astype(np.intp), np.int32(step))  # of one type: ten times faster

    def covered(self) -> Iterator[NDArray[np.uint8]]:
        """Sum up and yield, for each box, a mask (height, width) in {0, 1} of what is covered."""
        np.cumsum(self.counts, dtype=np.int32, out=self.counts)
        inside = (self.counts > 0).view(np.uint8)
        for box, first in zip(self.boxes, self.first.tolist(), strict=True):
            rows = inside[first : first + box.height * (box.width + 1)]
            yield rows.reshape(box.height, box.width + 1)[:, :-1]


def add_capsules(sheet: Sheet, segments: Floats, box: Ints) -> None:
    """Add the row spans of capsules to a sheet, each clipped to its box.

    Parameters
    ----------
    segments : (S, 5) float64, rows x0, y0, x1, y1, radius in pixels; equal ends make a disc
    box : (S,) which box of the sheet each belongs to
    """
    downward = (segments[:, 1] <= segments[:, 3])[:, None]
    upper = np.where(downward, segments[:, :2], segments[:, 2:4])
    lower = np.where(downward, segments[:, 2:4], segments[:, :2])
    reach = segments[:, 4] + TIE_PX
    top = np.maximum(np.ceil(upper[:, 1] - reach - 0.5), sheet.top[box])
    after = np.minimum(np.floor(lower[:, 1] + reach + 0.5), sheet.bottom[box])
    rows, row = _rows(top, after)
    first, end = _row_ends(upper, lower, reach, rows=rows, row=row)
    lowest, highest = np.repeat(sheet.left[box], rows), np.repeat(sheet.right[box], rows)
    first = np.clip(np.ceil(first - 0.5), lowest, highest)
    end = np.clip(np.floor(end + 0.5), first, highest)  # an empty span starts where it ends and cancels out
    row_start = np.repeat(sheet.origin[box], rows) + row * np.repeat(sheet.stride[box], rows)
    sheet.add(row_start + first, step=1)
    sheet.add(row_start + end, step=-1)


def _rows(top: Floats, after: Floats) -> tuple[Ints, Floats]:
    """Return how many rows there are from `top` up to `after` of each, and all of them one after another."""
    rows = np.maximum(after - top, 0).astype(np.intp)
    before = np.cumsum(rows) - rows
    return rows, np.arange(float(rows.sum())) + np.repeat(top - before, rows)


def _row_ends(
    upper: Floats, lower: Floats, reach: Floats, *, rows: Ints, row: Floats
) -> tuple[Floats, Floats]:
    """Return the x of both ends of each capsule on its rows.

    Each end lies on the circle around one point of the segment, a share t of the way down: the foot of the
    contact point, held within the segment.
    """
    run, fall = (lower - upper).T
    length = np.hypot(run, fall)
    tilt = np.divide(reach * run, length, out=np.zeros_like(length), where=length > 0)
    per_fall = 1.0 / np.where(fall > 0, fall, 1e-30)
    below = row + np.repeat(0.5 - upper[:, 1], rows)
    share, shift = below * np.repeat(per_fall, rows), np.repeat(tilt * per_fall, rows)
    x, run, fall = np.repeat(upper[:, 0], rows), np.repeat(run, rows), np.repeat(fall, rows)
    square = np.repeat(reach * reach, rows)

    def foot(t: Floats) -> tuple[Floats, Floats]:
        t = np.clip(t, 0.0, 1.0, out=t)
        height = below - t * fall
        height *= height
        half = np.maximum(square - height, 0.0, out=height)
        t *= run
        t += x
        return t, np.sqrt(half, out=half)

    left, half_left = foot(share - shift)
    right, half_right = foot(share + shift)
    return left - half_left, right + half_right


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
        sheet.add(sheet.origin[box] + row * sheet.stride[box] + column, step=step)


def _crossings(start: Floats, end: Floats, box: Box) -> tuple[Floats, Floats]:
    """Return, for each row that a descending edge crosses, the row and the first column right of it."""
    top = np.clip(np.ceil(start[:, 1] - 0.5), box.top, box.bottom)
    after = np.clip(np.ceil(end[:, 1] - 0.5), box.top, box.bottom)
    rows, row = _rows(top, after)
    run, fall = (end - start).T
    slope = np.divide(run, fall, out=np.zeros_like(run), where=fall > 0)
    x = np.repeat(start[:, 0], rows) + (row + 0.5 - np.repeat(start[:, 1], rows)) * np.repeat(slope, rows)
    return row, np.clip(np.ceil(x - 0.5), box.left, box.right)
