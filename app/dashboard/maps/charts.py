"""How the reliability of a map grows with its annotators, as numbers in a box that a template draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from saliency.comparison.reliability import spearman_brown

TARGET: Final = 0.9
WIDTH: Final = 400.0
HEIGHT: Final = 200.0
FEWEST: Final = 10
MOST: Final = 120
"""Annotators that the axis shows, at least and at most."""


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A measured group size: annotators, reliability, images behind it, and where it is drawn."""

    annotators: int
    reliability: float
    images: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class ReliabilityCurve:
    """Measured points, the projection through the first, and the number of annotators that reaches 0.9.

    line : points of an SVG polyline
    ticks : number of annotators and where it stands
    needed : None where no number of annotators gets there, or none that the axis shows
    """

    points: Sequence[CurvePoint]
    line: str
    ticks: Sequence[tuple[int, float]]
    target_y: float
    needed: int | None
    needed_x: float | None


def reliability_curve(measured: Mapping[str, Any] | None) -> ReliabilityCurve | None:
    """What a map set stores of its reliability, as a chart; None where no image has two annotators."""
    if not measured or not measured["images"]:
        return None
    values: Sequence[float] = measured["curve"]
    needed: int | None = measured["needed_for_90"]
    last = min(MOST, max(FEWEST, len(values), round(1.15 * (needed or 0))))

    def x(annotators: float) -> float:
        return WIDTH * (annotators - 1) / (last - 1)

    points = [
        CurvePoint(size, value, images, x(size), _y(value))
        for size, (value, images) in enumerate(zip(values, measured["curve_images"], strict=True), start=1)
    ]
    projected = ((size, spearman_brown(values[0], factor=size)) for size in range(1, last + 1))
    return ReliabilityCurve(
        points=points,
        line=" ".join(f"{x(size):.1f},{_y(value):.1f}" for size, value in projected),
        ticks=[(number, x(number)) for number in _round_numbers(last)],
        target_y=_y(TARGET),
        needed=needed,
        needed_x=x(needed) if needed and needed <= last else None,
    )


def _y(reliability: float) -> float:
    """From the top; what is below 0 stands at 0."""
    return HEIGHT * (1 - max(0.0, reliability))


def _round_numbers(last: int) -> Sequence[int]:
    step = next(step for step in (1, 2, 5, 10, 20, 50) if last / step <= 10)
    return sorted({1, *range(step, last + 1, step)})
