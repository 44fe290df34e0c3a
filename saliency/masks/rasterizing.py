"""Masks: exactly the pixels that an annotation covers.

A pixel belongs to a brush or eraser stroke if its centre is within `radius` of the polyline, and to a lasso
if its centre is enclosed by the closed outline: on the outline, or unable to reach infinity without meeting
it, so self-crossings leave no holes, whatever the direction of winding. Strokes apply in order and overlaps
count once. A centre exactly on a border is inside; see `saliency.masks.brushes` for the tolerance that keeps
rounding out of it.

What strokes cover is worked out as intervals of pixels in the columns of the image, so the cost follows the
outlines of the strokes, not the area that they cover.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box
from saliency.masks.brushes import Floats, Frame, ThickLines, path_ends
from saliency.masks.intervals import Intervals, Ints, covered, ends, latest
from saliency.masks.lassos import enclosed
from saliency.masks.strokes import Stroke

Mask = NDArray[np.uint8]

POINTS_AT_ONCE: Final = 5_000  # of drawings that are worked out together; smaller batches cost more in calls


@dataclass(frozen=True, slots=True)
class Ink:
    """A mask without its empty surroundings.

    Parameters
    ----------
    box : where the mask lies in the image, inside it; empty when nothing was painted
    mask : (box.height, box.width) uint8 in {0, 1}
    """

    box: Box
    mask: Mask

    @classmethod
    def of(cls, mask: Mask) -> "Ink":
        """Cut a mask down to what is painted."""
        rows, columns = np.flatnonzero(mask.max(axis=1)), np.flatnonzero(mask.max(axis=0))
        if not len(rows):
            return cls(Box(0, 0, 0, 0), mask[:0, :0])
        box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        return cls(box, mask[box.slices])

    @property
    def pixels(self) -> int:
        """How many pixels are painted."""
        return int(np.count_nonzero(self.mask))


def rasterize(strokes: Sequence[Stroke], *, width: int, height: int) -> Mask:
    """Paint the strokes of one annotation on a blank image.

    Parameters
    ----------
    strokes : in drawing order; none gives a mask of zeros
    width, height : size of the image in pixels; what leaves the image is cut off

    Returns
    -------
    mask : (height, width) uint8 in {0, 1}
    """
    mask: Mask = np.zeros((height, width), dtype=np.uint8)
    ink = rasterize_ink(strokes, width=width, height=height)
    mask[ink.box.slices] = ink.mask
    return mask


def rasterize_ink(strokes: Sequence[Stroke], *, width: int, height: int) -> Ink:
    """Paint like `rasterize`, inside the bounding box of what is painted alone."""
    return rasterize_inks([strokes], width=width, height=height)[0]


def rasterize_inks(drawings: Sequence[Sequence[Stroke]], *, width: int, height: int) -> list[Ink]:
    """Paint the strokes of several annotations of one image, which is quicker than one after another."""
    frame = Frame(width, height)
    return [_ink(layer, frame) for batch in _batches(drawings) for layer in _painted(batch, frame)]


def painted(strokes: Sequence[Stroke], *, width: int, height: int) -> Intervals:
    """Return the painted pixels as intervals; pixel (row i, column j) is the number j * (height + 1) + i.

    Their `length` is the painted area in pixels; no picture is made.
    """
    return _painted([strokes], Frame(width, height))[0]


def _batches(drawings: Sequence[Sequence[Stroke]]) -> Iterator[list[Sequence[Stroke]]]:
    batch: list[Sequence[Stroke]] = []
    points = 0
    for drawing in drawings:
        more = sum(len(stroke.points) for stroke in drawing)
        if batch and points + more > POINTS_AT_ONCE:
            yield batch
            batch, points = [], 0
        batch.append(drawing)
        points += more
    if batch:
        yield batch


def _painted(drawings: Sequence[Sequence[Stroke]], frame: Frame) -> list[Intervals]:
    layers = [layer for number, drawing in enumerate(drawings) for layer in _layers(drawing, number)]
    if not layers:
        return [Intervals(*np.empty((2, 0), dtype=np.int64))] * len(drawings)
    all_painted = _flattened(_covered(layers, frame), layers, frame)
    starts = [number * frame.places for number in range(len(drawings) + 1)]
    return [all_painted.within(low, high).moved(-low) for low, high in pairwise(starts)]


class _Layer(NamedTuple):
    """Strokes in a row of one drawing that all paint or all erase: their order makes no difference."""

    drawing: int
    erases: bool
    strokes: list[Stroke]


def _layers(drawing: Sequence[Stroke], number: int) -> list[_Layer]:
    layers: list[_Layer] = []
    for stroke in drawing:
        erases = stroke.tool == "eraser"
        if layers and layers[-1].erases == erases:
            layers[-1].strokes.append(stroke)
        elif layers or not erases:  # an eraser that comes first has nothing to clear
            layers.append(_Layer(number, erases, [stroke]))
    return layers


def _covered(layers: Sequence[_Layer], frame: Frame) -> Intervals:
    """Return what each layer covers, one layer after another, each on places of its own."""
    strokes = [stroke for layer in layers for stroke in layer.strokes]
    numbers = np.repeat(np.arange(len(layers)), [len(layer.strokes) for layer in layers])
    lassos = np.flatnonzero([stroke.tool == "lasso" for stroke in strokes])
    # A lasso covers its outline as a line of no width, and besides what the outline encloses.
    paths = ThickLines.of([_line(stroke) for stroke in strokes], numbers * frame.places)
    span_ends = [np.empty(0, dtype=np.int64), *path_ends(paths, frame)]
    if len(lassos):
        outlines = [strokes[number].points[:, :2] for number in lassos]
        span_ends.append(_inner_ends(outlines, numbers[lassos] * frame.places, frame))
    return covered(np.concatenate(span_ends))


def _line(stroke: Stroke) -> tuple[Floats, float]:
    points = stroke.points[:, :2]
    if stroke.tool != "lasso":
        return points, stroke.radius
    return np.concatenate([points, points[:1]]), 0.0


def _inner_ends(outlines: Sequence[Floats], places: Ints, frame: Frame) -> Ints:
    inner = enclosed(outlines, width=frame.width, height=frame.height)
    column = places[inner.outline] + inner.column * frame.stride
    steps = np.repeat(np.array([1, -1], dtype=np.int32), len(column))
    return ends(np.concatenate([column + inner.start, column + inner.after]), steps)


def _flattened(layered: Intervals, layers: Sequence[_Layer], frame: Frame) -> Intervals:
    """Lay the layers of each drawing upon each other: a pixel is as the last one that covers it made it."""
    # Each layer has places of its own; here all layers of a drawing move onto the places of that drawing.
    layer = layered.start // frame.places
    drawing = np.array([layer.drawing for layer in layers])
    moved = (drawing - np.arange(len(layers)))[layer] * frame.places
    start, stop = layered.start + moved, layered.stop + moved
    if len(layers) == len(set(drawing.tolist())):  # one layer each, and none erases
        return Intervals(start, stop)
    # A later layer has a higher rank, and the lowest bit of a rank says whether its layer paints.
    paints = np.array([not layer.erases for layer in layers])
    place, top = latest(start, stop, (2 * layer + 2 + paints[layer]).astype(np.int32))
    return _where(place, (top & 1).astype(bool))


def _where(place: Ints, inside: NDArray[np.bool_]) -> Intervals:
    """Return where something holds that is known from each place up to the next one."""
    before = np.zeros_like(inside)
    before[1:] = inside[:-1]
    return Intervals(place[inside & ~before], place[before & ~inside])


def _ink(pixels: Intervals, frame: Frame) -> Ink:
    if not len(pixels.start):
        return Ink(Box(0, 0, 0, 0), np.zeros((0, 0), dtype=np.uint8))
    column = pixels.start // frame.stride
    top, after = pixels.start - column * frame.stride, pixels.stop - column * frame.stride
    box = Box(int(column[0]), int(top.min()), int(column[-1]) + 1, int(after.max()))
    # Mark where each column changes between painted and not; XOR from row to row fills what lies between.
    turns: Mask = np.zeros((box.height + 1, box.width), dtype=np.uint8)
    turns[top - box.top, column - box.left] = 1
    turns[after - box.top, column - box.left] = 1
    for above, row in pairwise(turns):
        np.bitwise_xor(above, row, out=row)  # whole rows of memory at once
    return Ink(box, turns[:-1])
