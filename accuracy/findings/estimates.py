"""One number of an analysis: what it is of, how sure it is, and what it means in one sentence."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Literal

from accuracy.statistics.intervals import Interval
from accuracy.statistics.multiple_tests import holm

Unit = Literal["share", "points", "ratio", "d'", "criterion", "ms", "people"]
Section = Literal[
    "arms", "designs", "difference", "sources", "cells", "time", "painting", "learning", "people", "pairs"
]

SECTIONS: Final[dict[Section, str]] = {
    "arms": "Accuracy in each arm",
    "designs": "Beside it: decisions of another design, to be compared in d′",
    "difference": "Difference between arms",
    "sources": "Difference by source",
    "time": "Painting, or the time it takes?",
    "painting": "What was painted, and whether it was right",
    "learning": "Learning over trials",
    "people": "From person to person",
    "cells": "Accuracy by source, question, side and position",
    "pairs": "Accuracy on each pair",
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """`of` names an arm, or two as "one − other"; `within` the part of the decisions, for example "source=x".

    `value` in `unit`: share and points are fractions of 1, a ratio is 1 without an effect. Bounds are those
    of a 95 % interval. What is not defined is None.
    """

    section: Section
    measure: str
    of: str
    within: str
    method: str
    unit: Unit
    value: float | None
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    decisions: int
    correct: int | None
    """Of those decisions."""
    participants: int
    items: int
    meaning: str


FIELDS: Final = tuple(column.name for column in fields(Estimate))


@dataclass(frozen=True, slots=True)
class Scope:
    """What an estimate is of, and the decisions that it rests on."""

    section: Section
    of: str
    within: str = ""
    decisions: int = 0
    correct: int | None = None
    participants: int = 0
    items: int = 0

    def estimate(
        self, measure: str, interval: Interval, *, unit: Unit, method: str, meaning: str
    ) -> Estimate:
        return Estimate(
            **asdict(self),
            measure=measure,
            method=method,
            unit=unit,
            value=interval.value,
            low=interval.low,
            high=interval.high,
            p=interval.p,
            p_holm=None,
            meaning=meaning,
        )


def corrected(estimates: Sequence[Estimate]) -> list[Estimate]:
    """The same with p values that hold for all of them together (Holm)."""
    adjusted = holm([estimate.p for estimate in estimates])
    return [replace(estimate, p_holm=p) for estimate, p in zip(estimates, adjusted, strict=True)]


@dataclass(frozen=True, slots=True)
class Caution:
    """An assumption that fails, in one sentence; `code` is its name for programs."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """The results of an analysis, as data."""

    name: str
    design: str
    simulated: bool
    decisions: int
    participants: int
    items: int
    arms: tuple[str, ...]
    estimates: tuple[Estimate, ...]
    cautions: tuple[Caution, ...]
    paints: tuple[str, ...] = ()
    """Arms that painted."""
    notes: tuple[str, ...] = field(default=())
    """What was left out, and what the reader of a file had to repair."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> "Analysis":
        listed = {
            "arms": tuple(value["arms"]),
            "paints": tuple(value.get("paints", ())),  # analyses of earlier versions have none
            "notes": tuple(value["notes"]),
            "estimates": tuple(Estimate(**values) for values in value["estimates"]),
            "cautions": tuple(Caution(**values) for values in value["cautions"]),
        }
        return cls(**{**value, **listed})

    def of(self, section: Section, *measures: str) -> list[Estimate]:
        """The estimates of a section: of some measures, or all."""
        return [
            estimate
            for estimate in self.estimates
            if estimate.section == section and (not measures or estimate.measure in measures)
        ]


def amount(estimate: Estimate, value: float | None) -> str:
    """A value of an estimate as people write it: "63.1 %", "+4.2 points", "1.31", "2.4 s"."""
    if value is None:
        return "–"
    match estimate.unit:
        case "share":
            return f"{100 * value:.1f} %"
        case "points":
            return f"{signed(100 * value)} points"
        case "ms":
            return f"{value / 1000:.2f} s"
        case "people":
            return f"{value:,.0f}".replace(",", "\u202f")
        case _:
            return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def signed(value: float) -> str:
    """A difference with its sign and one decimal; what rounds to nothing is never below it."""
    return f"{round(value, 1) + 0.0:+.1f}".replace("-", "−")


def bounds(estimate: Estimate) -> str:
    """The interval as people write it; empty when there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    low, high = (amount(estimate, bound).removesuffix(" points") for bound in (estimate.low, estimate.high))
    return f"{low} to {high}"


def probability(p: float | None) -> str:
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
