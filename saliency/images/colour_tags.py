"""What image files say about their colours, each format in its own way.

Browsers are followed where they agree, because participants judge in browsers: a PNG is read by its `cICP`,
else its profile, else `sRGB`, else `gAMA` and `cHRM`; primaries without a gamma mean nothing; a `gAMA` alone
is relative to a screen of gamma 2.2, so that 0.45455 changes nothing. Video curves count as that of sRGB.
"""

import struct
from typing import Any, BinaryIO, Final

from PIL import Image

from saliency.images.colours import (
    D65,
    SRGB_PRIMARIES,
    ColourSpace,
    Conversion,
    Curve,
    Point,
    changes_nothing,
    matrix_of,
    power,
    srgb_curve,
    srgb_matrix,
)
from saliency.images.profiles import UNREADABLE, conversion_of
from saliency.images.unusable import Unusable

SCREEN_GAMMA: Final = 2.2
ILLUMINANT_C: Final[Point] = (0.310, 0.316)

PRIMARIES: Final[dict[int, tuple[tuple[Point, Point, Point], Point]]] = {
    1: (SRGB_PRIMARIES, D65),
    2: (SRGB_PRIMARIES, D65),  # not said
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), ILLUMINANT_C),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), D65),
    6: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), D65),
    7: (((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)), D65),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65),
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), (0.314, 0.351)),
    12: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), D65),
    22: (((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)), D65),
}
"""Code points of colour primaries (ITU-T H.273, table 2) with their white."""
CURVES: Final[dict[int, Curve]] = {
    **dict.fromkeys((1, 2, 6, 13, 14, 15), srgb_curve),
    4: power(2.2),
    5: power(2.8),
    8: power(1.0),
}
"""Code points of transfer characteristics (ITU-T H.273, table 3). 16 and 18 are for brighter screens."""

PNG_SIGNATURE_BYTES: Final = 8
BMP_CALIBRATED: Final = 0
BMP_EMBEDDED, BMP_LINKED = b"DEBM", b"KNIL"


def declared_conversion(image: Image.Image, stream: BinaryIO, mode: str) -> Conversion | None:
    """Return how the samples of an opened file become sRGB; None if they are already, or nothing is said.

    Parameters
    ----------
    image : opened by Pillow
    stream : the same file, read anew where Pillow does not tell
    mode : of the samples: L, RGB, CMYK or LAB

    Raises
    ------
    Unusable
        What the file says cannot be carried out.
    """
    described = _described(image, stream)
    if isinstance(described, ColourSpace):
        return None if changes_nothing(described.to_srgb, 3) else described.to_srgb
    return conversion_of(described, mode) if described else None


def _described(image: Image.Image, stream: BinaryIO) -> ColourSpace | bytes | None:
    """A space, a profile, or nothing."""
    match image.format:
        case "PNG":
            return _png(image, stream)
        case "BMP":
            return _bmp(stream)
        case "TIFF":
            return _profile(image) or _tiff(image)
        case "AVIF":
            return _profile(image) or _avif(stream)
        case _:
            return _profile(image)


def _profile(image: Image.Image) -> bytes | None:
    if "icc_profile" in image.info and image.info["icc_profile"] is None:  # Pillow could not unpack it
        raise Unusable(UNREADABLE)
    return image.info.get("icc_profile") or None


def _png(image: Image.Image, stream: BinaryIO) -> ColourSpace | bytes | None:
    if points := _png_chunk(stream, b"cICP"):
        return _of_code_points(*points[:2])
    if (profile := _profile(image)) or "srgb" in image.info:
        return profile
    return _of_gamma(image.info.get("gamma"), image.info.get("chromaticity"))


def _of_gamma(gamma: float | None, points: tuple[float, ...] | None) -> ColourSpace | None:
    """The space of a PNG's `gAMA`, which is 1 / gamma, and its `cHRM`: white, red, green, blue."""
    if not gamma:
        return None
    if points is None:
        curve = power(1 / (gamma * SCREEN_GAMMA))
        return ColourSpace((lambda values: srgb_curve(curve(values)),) * 3, srgb_matrix())
    white, *primaries = zip(points[::2], points[1::2], strict=True)
    return ColourSpace((power(1 / gamma),) * 3, matrix_of(primaries, white))


def _png_chunk(stream: BinaryIO, wanted: bytes) -> bytes | None:
    """The content of a chunk that stands before the pixels."""
    stream.seek(PNG_SIGNATURE_BYTES)
    while len(head := stream.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == wanted:
            return stream.read(length)
        if name == b"IDAT":
            return None
        stream.seek(length + 4, 1)  # and a checksum
    return None


def _avif(stream: BinaryIO) -> ColourSpace | None:
    """The space of the `nclx` box (ISO/IEC 14496-12, 12.1.5); Pillow has stretched a narrow range already."""
    stream.seek(0)
    _, tag, rest = stream.read().partition(b"colrnclx")
    return _of_code_points(*struct.unpack_from(">HH", rest)) if tag else None


def _of_code_points(primaries: int, transfer: int) -> ColourSpace:
    if transfer not in CURVES or primaries not in PRIMARIES:
        kind = "for high dynamic range" if transfer in (16, 18) else "of an unknown kind"
        raise Unusable(f"has colours {kind} (code points {primaries}, {transfer}); save it in sRGB.")
    return ColourSpace((CURVES[transfer],) * 3, matrix_of(*PRIMARIES[primaries]))


def _bmp(stream: BinaryIO) -> bytes | None:
    """The profile of a BMP of version 5; calibrated colours of versions 4 and 5 are refused."""
    stream.seek(14)
    head = stream.read(124)
    (size,) = struct.unpack_from("<I", head)
    kind = head[56:60] if size >= 108 else b""
    if kind == BMP_EMBEDDED and size >= 124:
        offset, length = struct.unpack_from("<II", head, 112)
        stream.seek(14 + offset)
        return stream.read(length)
    if kind == BMP_LINKED or (kind == bytes(4) and any(head[60:108])):
        raise Unusable("describes its colours in a way that is not read; save it in sRGB, as PNG.")
    return None


def _tiff(image: Any) -> ColourSpace | None:
    """The space of a TIFF without a profile: by its primaries, with the curve of sRGB."""
    white, primaries, transfer = (image.tag_v2.get(tag) for tag in (318, 319, 301))
    if transfer:
        raise Unusable("has a transfer function in place of a profile; save it in sRGB.")
    if not primaries:
        return None
    corners = list(zip(map(float, primaries[::2]), map(float, primaries[1::2]), strict=True))
    return ColourSpace(
        (srgb_curve,) * 3, matrix_of(corners, (float(white[0]), float(white[1])) if white else D65)
    )
