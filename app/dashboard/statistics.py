"""Figures as the pages show them."""

from dataclasses import dataclass
from math import sqrt
from typing import Final

Z_95: Final = 1.959964  # standard normal quantile of a two-sided 95 % interval


@dataclass(frozen=True, slots=True)
class Proportion:
    """`correct` out of `total`, with its 95 % Wilson interval; no rate when nothing was counted."""

    correct: int
    total: int

    @property
    def rate(self) -> float | None:
        return self.correct / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Wilson score interval: stays inside [0, 1] and is never empty, also at 0 % and 100 %."""
        if not self.total:
            return None
        n, p = self.total, self.correct / self.total
        middle = p + Z_95**2 / (2 * n)
        reach = Z_95 * sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
        scale = 1 + Z_95**2 / n
        return max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)

    def __add__(self, other: "Proportion") -> "Proportion":
        return Proportion(self.correct + other.correct, self.total + other.total)


def mean_and_spread(values: list[float]) -> tuple[float, float | None] | None:
    """Mean and sample standard deviation; no spread for one value, nothing for none."""
    if not values:
        return None
    mean = sum(values) / len(values)
    if len(values) == 1:
        return mean, None
    return mean, sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
