"""Drawings that a hand makes and drawings that are hard to rasterise, from seeds."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Stroke = dict[str, Any]

SIDE = 40  # px


def tangle(rng: np.random.Generator) -> Points:
    """Corners anywhere, also outside the image: edges cross one another many times."""
    return rng.uniform(-0.2, 1.2, (rng.integers(4, 14), 2)) * SIDE


def triangle(rng: np.random.Generator) -> Points:
    return rng.uniform(0, SIDE, (3, 2))


def overshooting_loop(rng: np.random.Generator) -> Points:
    """Once round and a little further: the hand crosses its own beginning."""
    turn = np.linspace(0, 2 * np.pi * rng.uniform(1.02, 1.25), 30) + rng.uniform(0, 2 * np.pi)
    radius = SIDE * rng.uniform(0.2, 0.45) * (1 + 0.15 * np.sin(rng.integers(2, 5) * turn))
    return SIDE / 2 + radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)


def scribble(rng: np.random.Generator) -> Points:
    """A wandering hand that crosses itself in both directions."""
    return SIDE / 2 + np.cumsum(rng.normal(0, SIDE / 10, (rng.integers(8, 40), 2)), axis=0)


def zigzag(rng: np.random.Generator) -> Points:
    """From side to side, so that all edges cross."""
    across = np.where(np.arange(12) % 2, 0.9, 0.1) * SIDE
    along = rng.uniform(0, SIDE, 12)
    return np.stack([along, across] if rng.random() < 0.5 else [across, along], axis=1)


def lattice(rng: np.random.Generator) -> Points:
    """Corners on pixel centres and between them: edges touch, overlap, stand upright and end on others."""
    return rng.integers(0, 9, (rng.integers(3, 14), 2)) * SIDE / 16


def corner_on_an_edge(rng: np.random.Generator) -> Points:
    """An outline that comes back to a point of its own first edge, as closely as tenths of a pixel say it."""
    start, run = np.round(rng.uniform(0, SIDE, 2)), rng.integers(-9, 10, 2) / 10
    return np.concatenate([[start, start + 10 * run], rng.uniform(0, SIDE, (2, 2)), [start + 3 * run]])


def repeated_points(rng: np.random.Generator) -> Points:
    """A hand that rests."""
    return np.repeat(tangle(rng), rng.integers(1, 4), axis=0)


def two_bays(rng: np.random.Generator) -> Points:
    """Two loops in opposite directions with a bridge between them: what lies inside both winds to nothing."""
    ring = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=np.float64)
    low, high = np.sort(rng.uniform(0.1, 0.4, 2))
    return SIDE * np.concatenate([low + (1 - 2 * low) * ring, high + (1 - 2 * high) * ring[::-1]])


SHAPES: tuple[Callable[[np.random.Generator], Points], ...] = (
    tangle,
    triangle,
    overshooting_loop,
    scribble,
    zigzag,
    lattice,
    corner_on_an_edge,
    repeated_points,
    two_bays,
)


def stroke(tool: str, points: Points, *, radius: float = 0.0) -> Stroke:
    """As a page records it: to a tenth of a pixel."""
    tenths = [[round(x, 1), round(y, 1), 0] for x, y in points.tolist()]
    return {"tool": tool, "radius": float(radius), "points": tenths}


def lasso(seed: int) -> Stroke:
    """One outline; the seeds go through all shapes."""
    return stroke("lasso", SHAPES[seed % len(SHAPES)](np.random.default_rng(seed)))


def drawing(seed: int) -> list[Stroke]:
    """One to five strokes with all tools."""
    rng = np.random.default_rng(seed)
    tools = rng.choice(["brush", "eraser", "lasso"], rng.integers(1, 6))
    return [
        stroke(str(tool), SHAPES[rng.integers(len(SHAPES))](rng), radius=0.0 if tool == "lasso" else radius)
        for tool, radius in zip(tools, rng.integers(1, 30, len(tools)) / 2, strict=True)
    ]
