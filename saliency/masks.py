"""Masks: exactly the pixels that an annotation covers.

A pixel belongs to a brush or eraser stroke if its centre is within `radius` of the polyline, and to a lasso
if its centre is enclosed by the closed outline: on the outline, or unable to reach infinity without meeting
it, so self-crossings leave no holes, whatever the direction of winding. Strokes apply in order and overlaps
count once. A centre exactly on a border is inside; see `saliency.spans` for the tolerance that keeps
rounding out of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box
from saliency.outline import outer_outline
from saliency.spans import Spans, capsule_spans, covered, winding_spans
from saliency.strokes import Stroke

Mask = NDArray[np.uint8]

ROWS_AT_ONCE: Final = 500_000  # capsule rows held in memory together, about 100 MB at the peak


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
    """Paint like `rasterize`, inside the bounding box of the strokes alone."""
    image = Box(0, 0, width, height)
    painting = [stroke for stroke in strokes if stroke.tool != "eraser"]
    box = _around(painting, image)
    if box.empty:
        return Ink(Box(0, 0, 0, 0), np.zeros((0, 0), dtype=np.uint8))
    mask: Mask = np.zeros((box.height, box.width), dtype=np.uint8)
    for erases, group in groupby(strokes, key=lambda stroke: stroke.tool == "eraser"):
        _apply(mask, list(group), box=box, erases=erases)
    return Ink(box, mask)


def _apply(mask: Mask, strokes: list[Stroke], *, box: Box, erases: bool) -> None:
    """Paint or clear with strokes whose order among themselves makes no difference."""
    part = _around(strokes, box)
    if part.empty:
        return
    target = mask[part.within(box).slices]
    for spans in _spans(strokes, part):
        target[covered(spans, box=part)] = 0 if erases else 1


def _around(strokes: Iterable[Stroke], image: Box) -> Box:
    """Return the pixels whose centres the strokes may cover, and a few more."""
    box = Box(0, 0, 0, 0)
    for stroke in strokes:
        reach = (0.0 if stroke.tool == "lasso" else stroke.radius) + 1.0
        left, top = np.floor(stroke.points[:, :2].min(axis=0) - reach).astype(int)
        right, bottom = np.ceil(stroke.points[:, :2].max(axis=0) + reach).astype(int)
        box = box.join(Box(int(left), int(top), int(right), int(bottom)).meet(image))
    return box


def _spans(strokes: list[Stroke], box: Box) -> Iterator[list[Spans]]:
    segments = np.concatenate([_segments(stroke) for stroke in strokes])
    winding = [part for stroke in strokes if stroke.tool == "lasso" for part in _inside(stroke, box)]
    for batch in _batches(segments):
        start, end, radius = batch[:, :2], batch[:, 2:4], batch[:, 4]
        yield capsule_spans(start, end, radius, box=box) + winding
        winding = []


def _segments(stroke: Stroke) -> NDArray[np.float64]:
    """Return (S, 5) rows x0, y0, x1, y1, radius; a lasso gives its outline, which counts as enclosed."""
    points = stroke.points[:, :2]
    if stroke.tool == "lasso" or len(points) == 1:
        points = np.concatenate([points, points[:1]])
    radius = np.full((len(points) - 1, 1), 0.0 if stroke.tool == "lasso" else stroke.radius)
    return np.concatenate([points[:-1], points[1:], radius], axis=1)


def _inside(stroke: Stroke, box: Box) -> list[Spans]:
    outline = outer_outline(stroke.points[:, :2])
    return winding_spans(outline, box=box) if len(outline) else []


def _batches(segments: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    rows = np.abs(segments[:, 3] - segments[:, 1]) + 2 * segments[:, 4] + 1
    batch = (np.cumsum(rows) // ROWS_AT_ONCE).astype(int)
    yield from np.split(segments, np.flatnonzero(np.diff(batch)) + 1)
