"""Colour profiles (ICC.1:2022) that are embedded in image files."""

import struct
from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from saliency.images.colours import (
    D50,
    ColourSpace,
    Conversion,
    Curve,
    Samples,
    changes_nothing,
    narrowed,
    power,
)
from saliency.images.unusable import Unusable

SPACES: Final = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK", "LAB": "Lab"}
"""What a profile calls the colours of a picture of each mode of Pillow's."""
TABLES: Final = {b"A2B0", b"A2B1", b"D2B0"}
INTENT: Final = ImageCms.Intent.RELATIVE_COLORIMETRIC
HEADER_BYTES: Final = 128
PCS: Final = slice(20, 24)
"""Where the header names the profile connection space."""
UNREADABLE: Final = "has a colour profile that cannot be read; save it in sRGB."


@lru_cache(maxsize=64)
def conversion_of(profile: bytes, mode: str) -> Conversion | None:
    """Return how a picture with this profile becomes sRGB; None if that changes nothing.

    mode : of the picture: L, RGB, CMYK or LAB. Grey with a profile for RGB is RGB of three equal channels

    Raises `Unusable` for a profile that is damaged or belongs to other colours.
    """
    try:
        opened = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = opened.profile.xcolor_space.strip()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        raise Unusable(UNREADABLE) from None
    if space != SPACES[mode] and (mode, space) != ("L", "RGB"):
        raise Unusable(f"has colours of the kind {SPACES[mode]} and a profile for {space}; save it in sRGB.")
    described = _space(profile)
    conversion = described.to_srgb if described else _by_tables(opened, "RGB" if space == "RGB" else mode)
    channels = {"GRAY": 1, "RGB": 3}.get(space)
    return None if channels and changes_nothing(conversion, channels) else conversion


def _by_tables(profile: ImageCms.ImageCmsProfile, mode: str) -> Conversion:
    """LittleCMS's way to sRGB, on 8 bits. Made once: that takes longer than to convert a picture.

    Relative to white and nothing else, as curves and a matrix are: black is as grey as the profile says.
    """
    try:
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(profile, target, mode, "RGB", INTENT)
    except (ImageCms.PyCMSError, OSError, ValueError):
        raise Unusable(UNREADABLE) from None

    def convert(samples: Samples) -> NDArray[np.uint8]:
        levels = narrowed(samples)
        if mode == "RGB" and levels.shape[2] == 1:
            levels = np.repeat(levels, 3, axis=2)
        height, width = levels.shape[:2]
        picture = Image.frombytes(mode, (width, height), levels.tobytes())
        return np.asarray(transform.apply(picture))

    return convert


def _space(profile: bytes) -> ColourSpace | None:
    """The space that a profile describes by curves and a matrix; None if it is made of tables."""
    try:
        tags = _tags(profile)
        if TABLES & tags.keys() or profile[PCS] != b"XYZ ":
            return None
        if b"kTRC" in tags:
            return ColourSpace((_curve(tags[b"kTRC"]),), D50[:, None])
        curves = tuple(_curve(tags[name + b"TRC"]) for name in (b"r", b"g", b"b"))
        return ColourSpace(
            curves, np.column_stack([_xyz(tags[name + b"XYZ"]) for name in (b"r", b"g", b"b")])
        )
    except KeyError:
        return None  # LittleCMS says what is missing
    except (struct.error, ValueError, ArithmeticError, IndexError):
        raise Unusable(UNREADABLE) from None


def _tags(profile: bytes) -> Mapping[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, HEADER_BYTES)
    tags = {}
    for i in range(min(count, 200)):
        name, offset, size = struct.unpack_from(">4sII", profile, HEADER_BYTES + 4 + 12 * i)
        tags[name] = profile[offset : offset + size]
    return tags


def _xyz(tag: bytes) -> list[float]:
    return [value / 65_536 for value in struct.unpack_from(">3i", tag, 8)]


def _curve(tag: bytes) -> Curve:
    """`curv` and `para` (ICC.1:2022, 10.6 and 10.18)."""
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        values = struct.unpack_from(f">{count}H", tag, 12)
        return _sampled(values) if count > 1 else power(values[0] / 256 if values else 1.0)
    if tag[:4] == b"para":
        (kind,) = struct.unpack_from(">H", tag, 8)
        return _parametric(
            kind, [value / 65_536 for value in struct.unpack_from(f">{PARAMETERS[kind]}i", tag, 12)]
        )
    raise ValueError("neither a sampled nor a parametric curve")


def _sampled(samples: tuple[int, ...]) -> Curve:
    stored, light = np.linspace(0, 1, len(samples)), np.array(samples) / 65_535
    return lambda values: np.interp(values, stored, light)


PARAMETERS: Final = (1, 3, 4, 5, 7)
"""Numbers in a parametric curve of each kind."""


def _parametric(kind: int, numbers: list[float]) -> Curve:
    """(a x + b) ** g + e from d on, and c x + f below; the kinds differ in what is left out."""
    g, a, b, c, d, e, f = _in_full(kind, numbers)

    def curve(values: NDArray[np.float64]) -> NDArray[np.float64]:
        above = np.maximum(a * values + b, 0) ** g + e
        return np.clip(np.where(values >= d, above, c * values + f), 0, 1)

    return curve


def _in_full(kind: int, numbers: list[float]) -> tuple[float, ...]:
    g, a, b, *rest = (*numbers, 1.0, 0.0)[:3] if kind == 0 else numbers
    match kind:
        case 0:
            return g, a, b, 0.0, 0.0, 0.0, 0.0
        case 1 | 2:
            beyond = rest[0] if rest else 0.0
            return g, a, b, 0.0, -b / a, beyond, beyond
        case 3:
            return g, a, b, *rest, 0.0, 0.0
        case _:
            return g, a, b, *rest
