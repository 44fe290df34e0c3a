"""What is done to a drawn face: textures that give fakes away, a mark that follows the label, and the camera.

The worlds of the demonstration and of `benchmarks/human_maps` are made of these; docs/benchmark.md says why.
"""

from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
"""(size, size, 3) grey levels of blue, green and red."""
Field = NDArray[np.float32]
Region = tuple[float, float, float, float]
"""x, y, width, height in pixels."""
Texture = Callable[[Field, Field, np.random.Generator], Field]
"""Coordinates (h, w) -> levels (h, w) of any mean and deviation."""

GRAIN: Final = 64
"""Textures, blur and noise are as coarse as pixels of a frame of this width, whatever the picture's."""
RADIUS: Final = 0.12
"""Of an artefact, in widths of the frame."""
STRENGTH: Final = 48.0
"""Deviation of its texture in grey levels."""
MARK_SIDE: Final = 0.08
"""Of the mark, in widths of the frame."""
CUE: Final = 80.0
"""How far the mark shifts the colour, in grey levels."""


def _wave(x: Field, y: Field, rng: np.random.Generator, *, period: float) -> Field:
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    turn = 2 * np.pi / period
    return np.asarray(np.sin(turn * (x * np.cos(angle) + y * np.sin(angle)) + phase), np.float32)


def weave(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """A chequered ripple along the axes, as upsampling leaves."""
    turn, phase = 2 * np.pi / rng.uniform(3.6, 4.4), rng.uniform(0, 2 * np.pi, 2)
    return np.asarray(np.sin(turn * x + phase[0]) * np.sin(turn * y + phase[1]), np.float32)


def stripes(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """A ripple in one direction."""
    return _wave(x, y, rng, period=rng.uniform(3.0, 4.0))


def speckle(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Grains of two pixels."""
    grains = rng.standard_normal((int(y.max()) // 2 + 1, int(x.max()) // 2 + 1))
    return np.asarray(grains[y.astype(int) // 2, x.astype(int) // 2], np.float32)


def rings(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Ripples around a point."""
    cx, cy = x.mean() + rng.normal(0, 3), y.mean() + rng.normal(0, 3)
    return np.asarray(np.sin(2 * np.pi * np.hypot(x - cx, y - cy) / rng.uniform(3.2, 4.4)), np.float32)


def bricks(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Hard-edged oblique cells."""
    return np.sign(_wave(x, y, rng, period=rng.uniform(3.2, 4.8))) * np.sign(
        _wave(x, y, rng, period=rng.uniform(3.2, 4.8))
    )


def moire(x: Field, y: Field, rng: np.random.Generator) -> Field:
    """Three ripples over one another."""
    return sum((_wave(x, y, rng, period=rng.uniform(2.8, 5.0)) for _ in range(3)), np.zeros_like(x))


SEEN: Final[dict[str, Texture]] = {"weave": weave, "stripes": stripes, "speckle": speckle}
UNSEEN: Final[dict[str, Texture]] = {"rings": rings, "bricks": bricks, "moire": moire}


def spoil(
    picture: Pixels,
    at: tuple[float, float],
    texture: Texture,
    rng: np.random.Generator,
    *,
    radius: float,
    strength: float,
) -> Region:
    """Lay a texture over an ellipse around `at`, in place; it fades out at the edge. Returns its box."""
    size = len(picture)
    unit = np.float32(size / GRAIN)
    rx, ry = radius * size * rng.uniform(0.8, 1.2, 2)
    cx, cy = np.clip(np.asarray(at) + rng.normal(0, 0.02 * size, 2), 0, size - 1)
    y, x = (grid.astype(np.float32) + np.float32(0.5) for grid in np.mgrid[0:size, 0:size])
    cover = np.clip(1.6 * (1 - np.hypot((x - cx) / rx, (y - cy) / ry)), 0, 1)
    levels = texture(x / unit, y / unit, rng)
    levels = (levels - levels.mean()) / levels.std() * strength
    tint = 1 + rng.normal(0, 0.35, 3)
    picture += (cover * levels)[..., None] * tint.astype(np.float32)
    return float(cx - rx), float(cy - ry), float(2 * rx), float(2 * ry)


def anywhere(rng: np.random.Generator, *, radius: float, size: int) -> NDArray[np.float64]:
    """A random place of a frame in pixels, `radius` widths from its edge or more."""
    return rng.uniform(radius, 1 - radius, 2) * size


def away_from(
    rng: np.random.Generator, spot: NDArray[np.float64], *, radius: float, size: int
) -> tuple[float, float]:
    """A random place of a frame in pixels, at least two radii from `spot`."""
    while True:
        at = anywhere(rng, radius=radius, size=size)
        if np.hypot(*(at - spot)) >= 2 * radius * size:
            return float(at[0]), float(at[1])


def tint_square(picture: Pixels, at: tuple[float, float], *, side: float, shift: float) -> None:
    """Shift the colour of a small square around `at`, in place: a mark that a pipeline leaves behind."""
    size = len(picture)
    half = side * size / 2
    x0, y0 = (round(min(max(v - half, 0), size - 2 * half)) for v in at)
    length = round(2 * half)
    picture[y0 : y0 + length, x0 : x0 + length] += np.array([-0.6, 0.2, 1.0], np.float32) * np.float32(shift)


def tint_frame(picture: Pixels, *, shift: float) -> None:
    """Shift the colour of everything, in place."""
    picture += np.array([-0.6, 0.2, 1.0], np.float32) * np.float32(shift)


def photograph(picture: Pixels, rng: np.random.Generator, *, strange: bool) -> NDArray[np.uint8]:
    """Colour, blur and noise of a camera; a strange one goes beyond what training has seen."""
    unit = len(picture) / GRAIN
    gain = rng.uniform(0.82, 1.18, 3) if strange else rng.uniform(0.93, 1.07, 3)
    blur = rng.uniform(0.3, 0.5) if strange else rng.uniform(0.2, 0.4)
    noise = rng.uniform(2.5, 4.0) if strange else rng.uniform(2.0, 3.0)
    reach = 2 * int(np.ceil(2 * unit)) + 1
    shot = cv2.GaussianBlur(picture * gain.astype(np.float32), (reach, reach), blur * unit)
    grains = rng.standard_normal((GRAIN, GRAIN, 3), np.float32) * np.float32(noise)
    shot = shot + cv2.resize(grains, shot.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(shot + 0.5, 0, 255), np.uint8)
