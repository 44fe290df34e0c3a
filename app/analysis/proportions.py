"""Proportions, their intervals, and detection measures; most take numbers and arrays alike."""

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

    Their normal quantiles would be infinite. NaN where nothing was counted.
    """
    total = np.asarray(total, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, np.clip(correct / total, 0.5 / total, 1 - 0.5 / total), np.nan)


def dprime_of_choice(share: Any) -> Any:
    """d' of two-alternative forced choice: √2 · Φ⁻¹(share correct), for an observer without side bias."""
    return np.sqrt(2) * stats.norm.ppf(share)


def detection(counts: Any, *, two_alternatives: bool) -> tuple[Any, Any]:
    """d' and criterion from "yes" answers to signals and to noise.

    counts : (..., 4): yes to signal, signals, yes to noise, noises. In a forced choice "yes" is "left" and
        the signal is "the answer is on the left"; with single images "yes" is "fake" and so is the signal.

    Returns
    -------
    dprime : z(H) - z(FA), divided by √2 in a forced choice (Macmillan and Creelman, 2005)
    criterion : -(z(H) + z(FA)) / 2; above 0: "yes" is said less often than an unbiased observer would
    """
    counts = np.asarray(counts, dtype=np.float64)
    hits = stats.norm.ppf(kept_inside(counts[..., 0], counts[..., 1]))
    false_alarms = stats.norm.ppf(kept_inside(counts[..., 2], counts[..., 3]))
    scale = np.sqrt(2) if two_alternatives else 1.0
    return (hits - false_alarms) / scale, -(hits + false_alarms) / 2


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
