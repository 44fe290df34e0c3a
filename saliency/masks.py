"""Masks: exactly the pixels that an annotation covers.

A pixel belongs to a brush or eraser stroke if its centre is within `radius` of the polyline, and to a lasso
if its centre is enclosed by the closed outline: on the outline, or unable to reach infinity without meeting
it, so self-crossings leave no holes, whatever the direction of winding. Strokes apply in order and overlaps
count once. A centre exactly on a border is inside; see `saliency.spans` for the tolerance that keeps
rounding out of it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from math import ceil, floor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box
from saliency.outline import outer_outline
from saliency.spans import Floats, Sheet, add_capsules, add_inside
from saliency.strokes import Stroke

Mask = NDArray[np.uint8]

NO_OUTLINE: Final[Floats] = np.empty((0, 2))
PIXELS_PER_ROW: Final = 30  # a row of a capsule takes as much memory, for a moment, as this many pixels
COST_AT_ONCE: Final = 400_000  # what fits the cache; ten times as much takes twice as long
SEGMENTS_AT_ONCE: Final = 128  # of one stroke; its parts have smaller boxes than the whole


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
    pieces = [piece for stroke in strokes for piece in _pieces(stroke, image)]
    box = reduce(Box.join, (piece.box for piece in pieces if not piece.erases), Box(0, 0, 0, 0))
    mask: Mask = np.zeros((box.height, box.width), dtype=np.uint8)
    for batch in _batches(pieces):
        for piece, covered in zip(batch, _cover(batch), strict=True):
            shared = piece.box.meet(box)
            if shared.empty:  # an eraser beside the paint
                continue
            part = covered[shared.within(piece.box).slices]
            target = mask[shared.within(box).slices]
            if piece.erases:
                target &= 1 - part
            else:
                target |= part
    return Ink(box, mask)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a stroke that is covered in one go: some capsules, or the inside of an outline."""

    box: Box
    erases: bool
    segments: Floats
    outline: Floats

    @property
    def cost(self) -> int:
        rows = 0 if len(self.outline) else len(self.segments) * self.box.height
        return self.box.width * self.box.height + PIXELS_PER_ROW * rows


def _pieces(stroke: Stroke, image: Box) -> Iterator[_Piece]:
    """Cut a stroke into pieces; those outside the image are left out."""
    segments = _segments(stroke)
    for first in range(0, len(segments), SEGMENTS_AT_ONCE):
        some = segments[first : first + SEGMENTS_AT_ONCE]
        box = _around(some).meet(image)
        if not box.empty:
            yield _Piece(box, stroke.tool == "eraser", some, NO_OUTLINE)
    if stroke.tool == "lasso" and not (box := _around(segments).meet(image)).empty:
        yield _Piece(box, erases=False, segments=segments[:0], outline=outer_outline(stroke.points[:, :2]))


def _segments(stroke: Stroke) -> Floats:
    """Return (S, 5) rows x0, y0, x1, y1, radius; a lasso gives its outline, which counts as enclosed."""
    points = stroke.points[:, :2]
    if stroke.tool == "lasso" or len(points) == 1:
        points = np.concatenate([points, points[:1]])
    segments = np.empty((len(points) - 1, 5))
    segments[:, :2], segments[:, 2:4] = points[:-1], points[1:]
    segments[:, 4] = 0.0 if stroke.tool == "lasso" else stroke.radius
    return segments


def _around(segments: Floats) -> Box:
    """Return the pixels whose centres the segments may cover, and a few more."""
    reach = float(segments[0, 4]) + 1.0
    x0, y0, x1, y1, _ = segments.min(axis=0).tolist()
    left, top = min(x0, x1), min(y0, y1)
    x0, y0, x1, y1, _ = segments.max(axis=0).tolist()
    right, bottom = max(x0, x1), max(y0, y1)
    return Box(floor(left - reach), floor(top - reach), ceil(right + reach), ceil(bottom + reach))


def _batches(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    batch: list[_Piece] = []
    cost = 0
    for piece in pieces:
        cost += piece.cost
        if batch and cost > COST_AT_ONCE:
            yield batch
            batch, cost = [], piece.cost
        batch.append(piece)
    if batch:
        yield batch


def _cover(batch: Sequence[_Piece]) -> Iterator[Mask]:
    sheet = Sheet([piece.box for piece in batch])
    owners = np.repeat(np.arange(len(batch)), [len(piece.segments) for piece in batch])
    add_capsules(sheet, np.concatenate([piece.segments for piece in batch]), owners)
    for number, piece in enumerate(batch):
        if len(piece.outline):
            add_inside(sheet, piece.outline, number)
    return sheet.covered()
