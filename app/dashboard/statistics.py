"""Proportions as the pages show them."""

from dataclasses import dataclass

from accuracy.statistics.proportions import wilson


@dataclass(frozen=True, slots=True)
class Proportion:
    """`correct` out of `total`, with its 95 % Wilson interval; both are None when nothing was counted."""

    correct: int
    total: int

    @property
    def rate(self) -> float | None:
        return self.correct / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.correct / self.total, self.total) if self.total else None

    def __add__(self, other: "Proportion") -> "Proportion":
        return Proportion(self.correct + other.correct, self.total + other.total)
