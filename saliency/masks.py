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
from saliency.spans import Floats, Paths, Sheet, add_inside, add_paths
from saliency.strokes import Stroke

Mask = NDArray[np.uint8]

PIXELS_AT_ONCE: Final = 1_600_000  # some 6 MB for a moment; smaller batches cost more in calls


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
    """Paint like `rasterize`, inside the bounding box of the strokes alone."""
    return rasterize_inks([strokes], width=width, height=height)[0]


def rasterize_inks(drawings: Sequence[Sequence[Stroke]], *, width: int, height: int) -> list[Ink]:
    """Paint the strokes of several annotations of one image, which is quicker than one after another."""
    pieces = [_pieces(strokes, Box(0, 0, width, height)) for strokes in drawings]
    inks = [_blank(of_one) for of_one in pieces]
    canvases = [ink for ink, of_one in zip(inks, pieces, strict=True) for _ in of_one]
    done = 0
    for batch in _batches(piece for of_one in pieces for piece in of_one):
        for piece, covered in zip(batch, _cover(batch), strict=True):
            _apply(piece, covered, canvases[done])
            done += 1
    return inks


def _blank(pieces: Iterable["_Piece"]) -> Ink:
    box = reduce(Box.join, (piece.box for piece in pieces if not piece.erases), Box(0, 0, 0, 0))
    return Ink(box, np.zeros((box.height, box.width), dtype=np.uint8))


def _apply(piece: "_Piece", covered: Mask, canvas: Ink) -> None:
    shared = piece.box.meet(canvas.box)
    if shared.empty:  # an eraser beside the paint
        return
    part = covered[shared.within(piece.box).slices]
    target = canvas.mask[shared.within(canvas.box).slices]
    if piece.erases:
        target &= 1 - part
    else:
        target |= part


@dataclass(frozen=True, slots=True)
class _Piece:
    """What is covered in one go: thick polylines, and the inside of an outline or none."""

    box: Box
    erases: bool
    lines: tuple[tuple[Floats, float], ...]
    outline: Floats | None = None

    @property
    def joins(self) -> bool:
        """Whether other brush strokes may join it."""
        return not self.erases and self.outline is None


def _pieces(strokes: Sequence[Stroke], image: Box) -> list[_Piece]:
    """Turn strokes into pieces; those outside the image are left out.

    Brush strokes in a row become one piece when its box is no larger than theirs together.
    """
    pieces: list[_Piece] = []
    for piece in (_piece(stroke, image) for stroke in strokes):
        if piece.box.empty:
            continue
        joined = pieces[-1].box.join(piece.box) if pieces and pieces[-1].joins and piece.joins else None
        if joined and joined.area <= pieces[-1].box.area + piece.box.area:
            piece = _Piece(joined, erases=False, lines=pieces.pop().lines + piece.lines)  # noqa: PLW2901
        pieces.append(piece)
    return pieces


def _piece(stroke: Stroke, image: Box) -> _Piece:
    points = stroke.points[:, :2]
    if stroke.tool != "lasso":
        box = _around(points, stroke.radius).meet(image)
        return _Piece(box, stroke.tool == "eraser", ((points, stroke.radius),))
    closed = np.concatenate([points, points[:1]])
    box = _around(points, 0.0).meet(image)
    outline = None if box.empty else outer_outline(points)
    return _Piece(box, erases=False, lines=((closed, 0.0),), outline=outline)


def _around(points: Floats, radius: float) -> Box:
    """Return the pixels whose centres a thick polyline may cover, and a few more."""
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    reach = radius + 1.0
    return Box(floor(left - reach), floor(top - reach), ceil(right + reach), ceil(bottom + reach))


def _batches(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    batch: list[_Piece] = []
    pixels = 0
    for piece in pieces:
        pixels += piece.box.area
        if batch and pixels > PIXELS_AT_ONCE:
            yield batch
            batch, pixels = [], piece.box.area
        batch.append(piece)
    if batch:
        yield batch


def _cover(batch: Sequence[_Piece]) -> Iterator[Mask]:
    """What each piece covers, (box.height, box.width); worked out with x and y exchanged: see `spans`."""
    sheet = Sheet([piece.box.turned for piece in batch])
    paths = Paths.of([(points[:, ::-1], radius) for piece in batch for points, radius in piece.lines])
    line_box = np.repeat(np.arange(len(batch)), [len(piece.lines) for piece in batch])
    add_paths(sheet, paths, line_box[np.cumsum(paths.first) - 1])
    for number, piece in enumerate(batch):
        if piece.outline is not None:
            add_inside(sheet, piece.outline[::-1, ::-1], number)  # which is clockwise again
    return sheet.covered()
