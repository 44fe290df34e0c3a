"""Colour spaces that three curves and a matrix describe, and their way to sRGB.

What cameras and editors write (Display P3, Adobe RGB, ProPhoto, linear light, grey with a gamma) is of this
kind. It is computed here from the definition, from 8 or 16 bits; LittleCMS, which takes 8 through Pillow, is
up to 10 levels off in dark grey. Profiles made of tables are left to it (`saliency.images.profiles`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from saliency.images.unusable import Unusable

Samples = NDArray[Any]
"""(height, width, channels) uint8 or uint16, all bits in use."""
Matrix = NDArray[np.float64]
Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From what is stored to light, both in [0, 1]."""
Conversion = Callable[[Samples], NDArray[np.uint8]]
"""Samples of a file -> (height, width, 3) uint8 in sRGB."""
Point = tuple[float, float]
"""Chromaticity x, y."""

D65: Final[Point] = (0.3127, 0.3290)
SRGB_PRIMARIES: Final[tuple[Point, Point, Point]] = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
D50: Final = np.array([0.9642, 1.0, 0.8249])
"""White of the profile connection space (ICC.1:2022, 7.2.16), as XYZ."""
BRADFORD: Final = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
LEVELS: Final = 65_536
BAND_PX: Final = 1 << 20  # pixels at a time: floats of a whole photograph would need gigabytes


@dataclass(frozen=True, slots=True)
class ColourSpace:
    """A colour space.

    Parameters
    ----------
    curves : one for grey, three for red, green and blue
    matrix : (3, 1) or (3, 3); light of each channel to XYZ under D50
    """

    curves: tuple[Curve, ...]
    matrix: Matrix

    def to_srgb(self, samples: Samples) -> NDArray[np.uint8]:
        """Return the sRGB picture, rounded to the nearest level; colours beyond sRGB are cut at its edge.

        samples : of as many channels as the space has, or of one, which then stands for all
        """
        tables = [_light(curve, samples.dtype) for curve in self.curves]
        to_linear = np.linalg.inv(srgb_matrix()) @ self.matrix
        picture = np.empty((*samples.shape[:2], 3), np.uint8)
        rows = max(1, BAND_PX // samples.shape[1])
        for top in range(0, len(samples), rows):
            band = samples[top : top + rows]
            light = np.stack([t[band[..., i % band.shape[2]]] for i, t in enumerate(tables)], axis=-1)
            picture[top : top + rows] = _encoded(light @ to_linear.T.astype(np.float32))
        return picture


def _light(curve: Curve, dtype: np.dtype[Any]) -> NDArray[np.float32]:
    levels = np.iinfo(dtype).max + 1
    light: NDArray[np.float32] = curve(np.arange(levels) / (levels - 1)).astype(np.float32)
    return light


def _encoded(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    index = np.clip(linear, 0, 1) * np.float32(LEVELS - 1) + np.float32(0.5)
    encoded: NDArray[np.uint8] = _levels_of_light()[index.astype(np.uint16)]
    return encoded


@cache
def _levels_of_light() -> NDArray[np.uint8]:
    """The sRGB level of each of 65536 amounts of light (IEC 61966-2-1, 5.2)."""
    light = np.arange(LEVELS) / (LEVELS - 1)
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    levels: NDArray[np.uint8] = np.rint(255 * encoded).astype(np.uint8)
    return levels


def srgb_curve(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light of sRGB values, both in [0, 1] (IEC 61966-2-1, 5.2)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def power(exponent: float) -> Curve:
    """Return the curve of a plain gamma."""
    return lambda values: values**exponent


@cache
def srgb_matrix() -> Matrix:
    """Return the matrix (3, 3) from linear sRGB to XYZ under D50."""
    return matrix_of(SRGB_PRIMARIES, D65)


def matrix_of(primaries: Sequence[Point], white: Point) -> Matrix:
    """Return the matrix (3, 3) from the light of three primaries to XYZ under D50.

    The white is adapted by Bradford's method (ICC.1:2022, annex E). Raises `Unusable` when these can be no
    primaries.
    """
    if any(y <= 0 for _, y in (*primaries, white)):
        raise Unusable("describes its colours by primaries that cannot be.")
    corners = np.column_stack([_xyz(point) for point in primaries])
    if abs(np.linalg.det(corners)) < 1e-6:
        raise Unusable("describes its colours by primaries that cannot be.")
    white_xyz = _xyz(white)
    unadapted = corners * np.linalg.solve(corners, white_xyz)
    cones = (BRADFORD @ D50) / (BRADFORD @ white_xyz)
    return np.asarray(np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ unadapted)


def _xyz(point: Point) -> NDArray[np.float64]:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def changes_nothing(conversion: Conversion, channels: int) -> bool:
    """Tell whether a conversion leaves 8-bit RGB (or grey) as it is, up to one level anywhere.

    Tried on all greys, all pure colours and a lattice of 17 x 17 x 17; what a profile is called says nothing.
    """
    sample = _lattice() if channels == 3 else np.arange(256, dtype=np.uint8).reshape(1, -1, 1)
    return bool(np.abs(conversion(sample).astype(np.int16) - sample).max() <= 1)


@cache
def _lattice() -> NDArray[np.uint8]:
    ramp, none = np.arange(256), np.zeros(256, int)
    ramps = [np.stack(lines, axis=-1) for lines in ([ramp] * 3, *_single(ramp, none))]
    steps = np.linspace(0, 255, 17).round().astype(int)
    inner = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3)
    return np.concatenate([*ramps, inner])[None].astype(np.uint8)


def _single(ramp: NDArray[Any], none: NDArray[Any]) -> list[list[NDArray[Any]]]:
    return [[ramp if i == channel else none for i in range(3)] for channel in range(3)]


def narrowed(samples: Samples) -> NDArray[np.uint8]:
    """Reduce 16 bits to 8, to the nearest level: 65535 is white. 8 bits stay as they are."""
    if samples.dtype == np.uint8:
        return samples
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)
