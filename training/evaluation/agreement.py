"""How much a detector's maps and the human ones agree. NumPy only.

Maps are (N, h, w) of one size; each number is one per pair, NaN where it is not defined: a flat map has no
ranking.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Maps = NDArray[np.floating]
Floats = NDArray[np.float64]

TOP: Final = 0.1
"""Share of the pixels that counts as what a map points at."""


def spearman(model: Maps, human: Maps) -> Floats:
    """Rank correlation over the pixels, in [-1, 1]."""
    a, b = (rankdata(_pixels(maps), axis=1) for maps in (model, human))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(scale > 0, (a * b).sum(axis=1) / scale, np.nan), np.float64)


def overlap(model: Maps, human: Maps, *, top: float = TOP) -> Floats:
    """Intersection over union of the brightest pixels of both, in [0, 1]; ties go to the upper left.

    Dice's coefficient follows from it: 2 · IoU / (1 + IoU).
    """
    count = max(1, round(top * model.shape[1] * model.shape[2]))
    one, two = (_brightest(_pixels(maps), count) for maps in (model, human))
    both = (one & two).sum(axis=1)
    return np.asarray(both / (2 * count - both), np.float64)


def dice(model: Maps, human: Maps, *, top: float = TOP) -> Floats:
    """Dice's coefficient of the brightest pixels of both, in [0, 1]."""
    shared = overlap(model, human, top=top)
    return np.asarray(2 * shared / (1 + shared), np.float64)


def squared_error(model: Maps, human: Maps) -> Floats:
    """Mean squared difference over the pixels: the distance that CYBORG descends."""
    difference = _pixels(model) - _pixels(human)
    return np.asarray((difference * difference).mean(axis=1), np.float64)


def _pixels(maps: Maps) -> Floats:
    return np.asarray(maps, np.float64).reshape(len(maps), -1)


def _brightest(pixels: Floats, count: int) -> NDArray[np.bool_]:
    order = np.argsort(-pixels, axis=1, kind="stable")[:, :count]
    chosen = np.zeros(pixels.shape, bool)
    np.put_along_axis(chosen, order, values=True, axis=1)
    return chosen
