"""What it costs to read strokes and to work out what they cover, known before it is done.

It is counted in pixels of outline. A thick polyline goes there and back, round its two ends, and round every
turn:

    2 × (length + radius × (π + Σ |angle between two segments|))

A lasso costs four pixels for each place where one of its edges meets a level (see `saliency.masks.lassos`):
the x of each of its corners, and the centre of each column of pixels that it spans. And each point costs ten,
for its JSON.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from saliency.masks.brushes import Floats, ThickLines
from saliency.masks.lassos import count_meetings

MAX_WORK: Final = 300_000  # per annotation; benchmarks/adversarial_strokes.py measures what it takes
PER_MEETING: Final = 4
PER_POINT: Final = 10


def work(lines: Sequence[tuple[Floats, float]], outlines: Sequence[Floats], *, width: int) -> float:
    """Return the work of thick polylines and of lassos, in pixels of outline.

    Parameters
    ----------
    lines : points (P, 2) float64 and radius of each brush or eraser stroke
    outlines : points (P, 2) float64 of each lasso
    width : of the image in pixels
    """
    points = sum(len(points) for points, _ in lines) + sum(map(len, outlines))
    length_px = _outline_px(ThickLines.of(lines, np.zeros(len(lines), dtype=np.int64))) if lines else 0.0
    meetings = count_meetings(outlines, width=width) if outlines else 0
    return PER_POINT * points + length_px + PER_MEETING * meetings


def _outline_px(paths: ThickLines) -> float:
    # The angle between two segments from their cross and dot products: no normalisation, no rounding near 0.
    first, inner = np.flatnonzero(~paths.last), np.flatnonzero(~paths.first & ~paths.last)
    run, rise = np.zeros((2, len(paths.x)))
    run[first], rise[first] = paths.x[first + 1] - paths.x[first], paths.y[first + 1] - paths.y[first]
    turn = run[inner - 1] * rise[inner] - rise[inner - 1] * run[inner]
    ahead = run[inner - 1] * run[inner] + rise[inner - 1] * rise[inner]
    angles = np.abs(np.arctan2(turn, ahead))
    round_ends = np.pi * paths.reach[paths.first].sum()
    return float(2 * (np.hypot(run, rise).sum() + round_ends + (paths.reach[inner] * angles).sum()))
