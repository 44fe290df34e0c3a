"""Proportions of independent decisions and their intervals."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from accuracy.statistics.intervals import Interval, t_quantile


def wilson(rate: float, n: float, *, df: float = np.inf) -> tuple[float, float]:
    """Wilson score interval (1927) of a proportion `rate` of `n`: inside [0, 1], never of no width.

    n : number of decisions, or the effective number where decisions come in clusters; above 0
    df : degrees of freedom of a t quantile in place of the normal one, for few clusters
    """
    z2 = t_quantile(df) ** 2
    middle = rate + z2 / (2 * n)
    half_width = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n**2)))
    low, high = (middle - half_width) / (1 + z2 / n), (middle + half_width) / (1 + z2 / n)
    return max(0.0, float(low)), min(1.0, float(high))


def newcombe(rates: tuple[float, float], sizes: tuple[float, float]) -> Interval:
    """Difference of two proportions, first minus second, with Newcombe's hybrid score interval (1998).

    rates : of either group, in [0, 1]
    sizes : number of decisions of either group, above 0
    """
    (one, zero), (n_one, n_zero) = rates, sizes
    (one_low, one_high), (zero_low, zero_high) = wilson(one, n_one), wilson(zero, n_zero)
    low = one - zero - np.hypot(one - one_low, zero_high - zero)
    high = one - zero + np.hypot(one_high - one, zero - zero_low)
    return Interval(one - zero, float(low), float(high))


def mean_of_two(rates: tuple[float, float], sizes: tuple[float, float]) -> Interval:
    """Mean of two proportions, such as a balanced accuracy, with an interval from Wilson's of either
    (Zou and Donner, 2008).

    rates : of either group, in [0, 1]
    sizes : number of decisions of either group, above 0
    """
    (one, other), value = rates, (rates[0] + rates[1]) / 2
    (one_low, one_high), (other_low, other_high) = wilson(one, sizes[0]), wilson(other, sizes[1])
    low = value - np.hypot(one - one_low, other - other_low) / 2
    high = value + np.hypot(one_high - one, other_high - other) / 2
    return Interval(value, float(low), float(high))


def bounded_share(count: Any, total: Any) -> Any:
    """count/total, with 0 and 1 moved to 1/(2n) and 1 - 1/(2n) (Macmillan and Kaplan, 1985), where the normal
    quantile is finite. NaN for a total below 2, where both bounds would be one half."""
    total = np.asarray(total, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 1, np.clip(count / total, 0.5 / total, 1 - 0.5 / total), np.nan)


@dataclass(frozen=True, slots=True)
class Proportion:
    """`correct` out of `total` independent decisions; no rate and no interval for a total of 0."""

    correct: int
    total: int

    @property
    def rate(self) -> float | None:
        return self.correct / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval."""
        return wilson(self.correct / self.total, self.total) if self.total else None

    def __add__(self, other: "Proportion") -> "Proportion":
        return Proportion(self.correct + other.correct, self.total + other.total)
