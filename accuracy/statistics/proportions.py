"""Proportions and their intervals, and p values that hold together."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

CONFIDENCE: Final = 0.95


def quantile(df: float = np.inf) -> float:
    """Two-sided 95 % quantile of Student's t; of the normal where `df` is infinite."""
    return float(stats.t.ppf(0.5 + CONFIDENCE / 2, df))


def wilson(rate: float, n: float, *, df: float = np.inf) -> tuple[float, float]:
    """Wilson score interval (1927) of a proportion `rate` of `n`: inside [0, 1], never empty.

    n : number of decisions, or the effective number where decisions come in clusters; above 0
    df : degrees of freedom of a t quantile in place of the normal one, for few clusters
    """
    z2 = quantile(df) ** 2
    middle = rate + z2 / (2 * n)
    reach = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n**2)))
    low, high = (middle - reach) / (1 + z2 / n), (middle + reach) / (1 + z2 / n)
    return max(0.0, float(low)), min(1.0, float(high))


def kept_inside(correct: Any, total: Any) -> Any:
    """Share of correct, with 0 and 1 moved to 1/(2n) and 1 - 1/(2n) (Macmillan and Kaplan, 1985).

    Their normal quantiles would be infinite. NaN below 2, where both bounds would be a half.
    """
    total = np.asarray(total, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 1, np.clip(correct / total, 0.5 / total, 1 - 0.5 / total), np.nan)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """p values adjusted by Holm's step-down rule (1979): all of them together err at most as often as one.

    None, for what could not be tested, stays None and does not count.
    """
    known = sorted((p, index) for index, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[index] = highest
    return adjusted
