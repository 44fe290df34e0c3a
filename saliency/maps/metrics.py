"""Numbers about one map and about how much annotators agree.

A constant map says nothing about where people looked; each function states what it returns for one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FLAT: Final = 1e-5  # a variance below this share of the power is rounding
LOST: Final = 1e-6  # what is left of a sum below this share of it, when all else is taken away, is rounding

Map = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]


def entropy(values: Map) -> float:
    """Return the entropy of a map in nats, H = -sum p ln p with p = values / sum(values).

    Parameters
    ----------
    values : (height, width), not negative

    Returns
    -------
    entropy : from 0 (one pixel) to ln(height * width) (constant map); 0 for a map of zeros
    """
    ink = values[values > 0]
    total = float(ink.sum(dtype=np.float64))
    if total == 0:
        return 0.0
    return float(np.log(total) - (ink * np.log(ink)).sum(dtype=np.float64) / total) + 0.0


def coverage(painted: NDArray[Any]) -> float:
    """Return the share of pixels that at least one annotator painted, from 0 to 1.

    Parameters
    ----------
    painted : (height, width), above 0 where anybody painted
    """
    return float(np.count_nonzero(painted)) / painted.size


def correlation(first: Map, second: Map) -> float:
    """Return Pearson's correlation of two maps of one shape (CC); 0 when either is constant."""
    if first.shape != second.shape:
        raise ValueError(f"maps have shapes {first.shape} and {second.shape}; a correlation needs equal ones")
    x, y = first.astype(np.float64).ravel(), second.astype(np.float64).ravel()
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / np.sqrt((x @ x) * (y @ y)), -1.0, 1.0))


@dataclass(frozen=True, slots=True)
class MaskMoments:
    """Sums over the pixels of n blurred masks that give their correlations; T is the sum of the masks.

    Parameters
    ----------
    squares : (n,) inner product of each with itself
    with_total : (n,) inner product of each with T
    sums : (n,) sum of each
    total_square : inner product of T with itself
    pixels : pixels of the image
    """

    squares: Floats
    with_total: Floats
    sums: Floats
    total_square: float
    pixels: int


def leave_one_out(moments: MaskMoments) -> Floats:
    """Return each annotator's correlation with the mean of all the others.

    Returns
    -------
    correlations : (n,) in [-1, 1]; 0 where a mask or the mean of the others is constant, so for n = 1
    """
    total, pixels = moments.sums.sum(), moments.pixels
    # For a mask X: var(T - X) = var(T) - 2 cov(X, T) + var(X), and cov(X, T - X) = cov(X, T) - var(X). So the
    # sum of the others is never made. All are times the number of pixels.
    variance = moments.squares - moments.sums**2 / pixels
    with_total = moments.with_total - moments.sums * total / pixels
    of_total = moments.total_square - total**2 / pixels
    of_others = of_total - 2 * with_total + variance
    power_of_others = moments.total_square - 2 * moments.with_total + moments.squares
    # Differences of large numbers: what rounding leaves of a constant mask must not pass for relief.
    rounding = np.maximum(FLAT * power_of_others, LOST * moments.total_square)
    varies = (variance > FLAT * moments.squares) & (of_others > rounding)
    scale = np.sqrt(np.where(varies, variance * of_others, 1.0))
    return np.where(varies, np.clip((with_total - variance) / scale, -1.0, 1.0), 0.0)


def agreement(correlations: Sequence[float] | Floats) -> float | None:
    """Return the mean of leave-one-out correlations; None for fewer than two annotators."""
    return float(np.mean(correlations)) if len(correlations) > 1 else None
