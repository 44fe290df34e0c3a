"""Agreement of a detector's maps with human maps. NumPy only.

Every function takes two arrays of maps (N, h, w) of one size and returns (N,) float64, one value per pair; no
maps give an empty array. `saliency/comparison/measures.py` compares human maps with each other.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Maps = NDArray[np.floating]
Floats = NDArray[np.float64]

TOP: Final = 0.1
"""Share of the pixels that is compared by overlap: the brightest ones."""


def spearman(model: Maps, human: Maps) -> Floats:
    """Spearman's rank correlation over the pixels, in [-1, 1]; NaN where a map is constant."""
    from scipy.stats import rankdata  # takes a second to import

    # Pearson's correlation of the ranks: for whole batches at once, which scipy.stats.spearmanr does not do.
    a, b = (rankdata(_pixels(maps), axis=1) for maps in (model, human))
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(scale > 0, (a * b).sum(axis=1) / scale, np.nan), np.float64)


def overlap(model: Maps, human: Maps, *, top: float = TOP) -> Floats:
    """Intersection over union of the brightest pixels of both maps, in [0, 1].

    top : share of the pixels, at least one pixel; among equal values the upper left ones count
    Constant maps are compared by the first pixels alone, and mean nothing.
    """
    count = max(1, round(top * model.shape[1] * model.shape[2]))
    first, second = (_brightest(_pixels(maps), count) for maps in (model, human))
    both = (first & second).sum(axis=1)
    return np.asarray(both / (2 * count - both), np.float64)


def dice(model: Maps, human: Maps, *, top: float = TOP) -> Floats:
    """Dice's coefficient of the brightest pixels of both maps, in [0, 1]: 2 · IoU / (1 + IoU)."""
    shared = overlap(model, human, top=top)
    return np.asarray(2 * shared / (1 + shared), np.float64)


def squared_error(model: Maps, human: Maps) -> Floats:
    """Mean squared difference over the pixels: the default distance of the CYBORG loss."""
    difference = _pixels(model) - _pixels(human)
    return np.asarray((difference * difference).mean(axis=1), np.float64)


def _pixels(maps: Maps) -> Floats:
    return np.asarray(maps, np.float64).reshape(len(maps), -1)


def _brightest(pixels: Floats, count: int) -> NDArray[np.bool_]:
    order = np.argsort(-pixels, axis=1, kind="stable")[:, :count]
    chosen = np.zeros(pixels.shape, bool)
    np.put_along_axis(chosen, order, values=True, axis=1)
    return chosen
