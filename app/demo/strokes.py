"""Strokes shaped like those of a hand on a mouse: smooth, of uneven speed, with pauses between them.

docs/simulation.md measures in what they are like real strokes, and in what not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.demo.canvas import Points, curve
from app.demo.regions import Region

StrokeJson = dict[str, Any]

SPEED: Final = 0.00115
"""Median speed of a stroke in picture widths per millisecond."""
SPEED_SPREAD: Final = 0.45
"""Between strokes, standard deviation of the logarithm."""
UNEVENNESS: Final = 0.62
"""Within a stroke, standard deviation of the logarithm."""
PERSISTENCE: Final = 0.4
"""How much of one step's speed is still in the next."""
STEP_MS: Final = (8.0, 16.0)
"""Time between two points of one stroke; what browsers report of a mouse."""
PAUSE_MS: Final = (900.0, 0.5)
"""Median time between strokes, and the standard deviation of its logarithm."""
TREMOR: Final = 0.0016
"""Standard deviation of a hand's deviation from its path, in picture widths."""
MOST_POINTS: Final = 900

LASSO_SHARE: Final = 0.06
ERASER_SHARE: Final = 0.07
DAB_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class PaintingHand:
    """How one person paints."""

    brush: float
    """Favourite radius as a fraction of the picture's width."""
    pace: float
    """1 = as fast as the median hand."""
    care: float
    """0 = a line through the place, 1 = the place well filled."""


def any_hand(rng: np.random.Generator) -> PaintingHand:
    return PaintingHand(
        brush=float(rng.choice([0.018, 0.026, 0.036])),
        pace=float(np.exp(rng.normal(0, 0.25))),
        care=float(rng.uniform(0.2, 1)),
    )


def paint(
    rng: np.random.Generator, hand: PaintingHand, regions: list[Region], *, width: int, start_ms: float
) -> list[StrokeJson]:
    """The strokes of one annotation: one to three over each region, in the order in which they were made.

    `width` of the picture in pixels; `start_ms` when the first stroke begins. An empty list of regions
    gives an empty list of strokes.
    """
    strokes: list[StrokeJson] = []
    clock = start_ms
    for tool, place, shape in _plan(rng, hand, regions):
        radius = _radius(rng, hand, place, width=width)
        path = shape(rng, place, radius)
        points = _walk(rng, path, width=width, pace=hand.pace, start_ms=clock)
        strokes.append({"tool": tool, "radius": 0.0 if tool == "lasso" else radius, "points": points})
        clock = points[-1][2] + float(PAUSE_MS[0] * np.exp(rng.normal(0, PAUSE_MS[1])))
    return strokes


Shape = Callable[[np.random.Generator, Region, float], Points]


def _plan(
    rng: np.random.Generator, hand: PaintingHand, regions: list[Region]
) -> list[tuple[str, Region, Shape]]:
    """Tool, place and shape of each stroke. The eraser never comes first: it needs something to erase."""
    plan: list[tuple[str, Region, Shape]] = []
    for place in regions:
        if rng.random() < LASSO_SHARE:
            plan.append(("lasso", place, _outline))
            continue
        for _ in range(1 + rng.binomial(2, 0.4 * hand.care)):
            shape = [_scrub, _loop, _line, _dab][rng.choice(4, p=_shape_shares(hand))]
            plan.append(("brush", _shifted(rng, place), shape))
        if rng.random() < ERASER_SHARE:
            plan.append(("eraser", _rim(rng, place), _line))
    return plan


def _shape_shares(hand: PaintingHand) -> list[float]:
    filling = (1 - DAB_SHARE) * (0.25 + 0.45 * hand.care)
    open_share = 1 - DAB_SHARE - filling
    return [filling, open_share * 0.55, open_share * 0.45, DAB_SHARE]


def _shifted(rng: np.random.Generator, place: Region) -> Region:
    """A place moved and scaled a little, because nobody hits a place exactly."""
    x, y, w, h = place
    dx, dy = rng.normal(0, 0.12, 2)
    grow = float(np.exp(rng.normal(-0.05, 0.15)))
    return x + dx * w + (1 - grow) * w / 2, y + dy * h + (1 - grow) * h / 2, w * grow, h * grow


def _rim(rng: np.random.Generator, place: Region) -> Region:
    """A narrow strip at one side, where a brush went too far."""
    x, y, w, h = place
    return (x + w * float(rng.choice([-0.1, 0.85])), y, w * 0.25, h)


def _radius(rng: np.random.Generator, hand: PaintingHand, place: Region, *, width: int) -> float:
    """The favourite brush, now and then another one, never wider than the place."""
    wanted = hand.brush * width * (float(rng.choice([0.6, 1.5])) if rng.random() < 0.15 else 1)
    return round(float(min(max(wanted, 1.5), max(place[2], place[3]) / 2 + 1.5)), 1)


def _centred(place: Region) -> tuple[float, float, float, float]:
    x, y, w, h = place
    return x + w / 2, y + h / 2, w / 2, h / 2


def _scrub(rng: np.random.Generator, place: Region, radius: float) -> Points:
    """To and fro along the longer side, as one fills a shape."""
    x, y, rx, ry = _centred(place)
    long, short = max(rx, ry), min(rx, ry)
    turns = int(np.clip(round(1.5 * short / max(radius, 1)) + rng.integers(1, 4), 3, 10))
    across = np.linspace(-1, 1, turns + 1) * max(short - radius * 0.5, short * 0.3)
    along = np.where(np.arange(turns + 1) % 2, 1, -1) * rng.uniform(0.6, 1, turns + 1) * long
    pairs = np.column_stack([along, across] if rx >= ry else [across, along])
    return curve([(x + float(a), y + float(b)) for a, b in pairs], closed=False, steps=16)


def _loop(rng: np.random.Generator, place: Region, radius: float) -> Points:
    """Round and round, not quite on the same track."""
    x, y, rx, ry = _centred(place)
    angle = np.linspace(0, 2 * np.pi * rng.uniform(0.8, 1.7), 48) + rng.uniform(0, 2 * np.pi)
    reach = np.linspace(rng.uniform(0.65, 1), rng.uniform(0.4, 0.9), 48)
    return np.column_stack(
        [
            x + np.cos(angle) * reach * max(rx - radius / 2, 2),
            y + np.sin(angle) * reach * max(ry - radius / 2, 2),
        ]
    )


def _line(rng: np.random.Generator, place: Region, radius: float) -> Points:
    """Once through the middle, a little bent."""
    del radius
    x, y, rx, ry = _centred(place)
    ax, ay = (rx, ry * 0.3) if rx >= ry else (rx * 0.3, ry)
    flip, bow = rng.choice([-1, 1]), rng.normal(0, 0.3)
    ends = [(x - ax, y - flip * ay), (x + bow * ay, y + bow * ax * 0.5), (x + ax, y + flip * ay)]
    return curve([(float(a), float(b)) for a, b in ends], closed=False, steps=20)


def _dab(rng: np.random.Generator, place: Region, radius: float) -> Points:
    """A click, with or without a twitch."""
    x, y, _, _ = _centred(place)
    return np.array([[x, y], [x + rng.normal(0, radius * 0.2), y + rng.normal(0, radius * 0.2)]])


def _outline(rng: np.random.Generator, place: Region, radius: float) -> Points:
    """Once around, open where the hand lets go; the lasso closes it."""
    del radius
    x, y, rx, ry = _centred(place)
    angle = np.linspace(0, 2 * np.pi * rng.uniform(0.93, 1.02), 14) + rng.uniform(0, 2 * np.pi)
    reach = rng.normal(1.02, 0.06, 14)
    knots = zip(x + rx * reach * np.cos(angle), y + ry * reach * np.sin(angle), strict=True)
    return curve([(float(a), float(b)) for a, b in knots], closed=False)


def _walk(
    rng: np.random.Generator, path: Points, *, width: int, pace: float, start_ms: float
) -> list[list[float]]:
    """Points [x, y, t_ms] of a hand that follows the path: [[…]] with at least one, times rising."""
    steps = np.hypot(*np.diff(path, axis=0).T)
    length = float(steps.sum())
    speed = SPEED * width * pace * float(np.exp(rng.normal(0, SPEED_SPREAD)))
    waits, moves = _rhythm(rng, speed=speed, length=length)
    travelled = np.minimum(np.concatenate([[0], np.cumsum(moves)]), length)
    times = start_ms + np.concatenate([[0], np.cumsum(waits)])
    along = np.concatenate([[0], np.cumsum(steps)])
    hand = np.column_stack([np.interp(travelled, along, path[:, axis]) for axis in (0, 1)])
    hand = hand + _tremor(rng, len(hand)) * TREMOR * width
    points: list[list[float]] = np.column_stack([np.round(hand, 2), np.round(times, 1)]).tolist()
    return points


def _rhythm(
    rng: np.random.Generator, *, speed: float, length: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Milliseconds and pixels of every step until `length` is travelled."""
    usual = speed * sum(STEP_MS) / 2
    count = min(max(int(2 * length / usual), 1), MOST_POINTS)
    waits = rng.uniform(*STEP_MS, count)
    noise = _lasting_noise(rng, count) * UNEVENNESS
    # Hands start gently and slow down before the end, more at the end than at the start.
    share = np.linspace(0, 2, count).clip(0, 1)
    swing = 0.7 + 0.55 * np.sin(np.pi * share**0.7) - 0.2 * share**4
    moves = speed * waits * np.exp(noise - UNEVENNESS**2 / 2) * swing
    reached = int(np.searchsorted(np.cumsum(moves), length)) + 1
    return waits[:reached], moves[:reached]


def _lasting_noise(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Standard normal values with correlation `PERSISTENCE` from one to the next."""
    fresh = rng.standard_normal(count)
    values = np.empty(count)
    last = rng.standard_normal()
    for i, new in enumerate(fresh):
        last = PERSISTENCE * last + np.sqrt(1 - PERSISTENCE**2) * new
        values[i] = last
    return values


def _tremor(rng: np.random.Generator, count: int) -> Points:
    """(count, 2), a slow drift with unit deviation: what keeps a hand off its path."""
    drift = rng.standard_normal((count + 8, 2))
    kernel = np.hanning(9) / np.sqrt((np.hanning(9) ** 2).sum())
    return np.column_stack([np.convolve(drift[:, axis], kernel, mode="valid") for axis in (0, 1)])
