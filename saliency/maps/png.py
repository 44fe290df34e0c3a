"""Maps as 16-bit pictures, and the numbers that other programs' pictures hold."""

import struct
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.maps.scaling import SaliencyMap

WHITE: Final = 65_535  # the 16-bit value of 1.0
PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
PNG_HEADER: Final = struct.Struct(">IIBB")
"""Width, height, bits per sample, colour type (0 = grey): 16 bytes after the file's beginning."""
MOST_PIXELS: Final = 1 << 28  # a gigabyte as float32; known before a file is unpacked
PNG_OPTIONS: Final = (  # on smooth maps half the time of OpenCV's defaults at the same size
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
)


def encode_map_png(values: SaliencyMap) -> bytes:
    """Encode a map as 16-bit greyscale PNG, 65535 = 1.0; the same map gives the same bytes.

    Parameters
    ----------
    values : (height, width) float32 in [0, 1]; each comes back within 1/131070
    """
    if values.ndim != 2 or not values.size:
        raise ValueError(f"a map has two dimensions and at least one pixel, not shape {values.shape}")
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # NaN fails both
        raise ValueError(f"a map lies in [0, 1]; this one goes from {low:g} to {high:g}")
    grey = (values * np.float32(WHITE) + np.float32(0.5)).astype(np.uint16)
    return bytes(cv2.imencode(".png", grey, PNG_OPTIONS)[1])


def decode_map_png(data: bytes) -> SaliencyMap:
    """Read a greyscale PNG of 8 or 16 bits as a map.

    Returns
    -------
    values : (height, width) float32 in [0, 1]

    Raises
    ------
    ValueError
        The bytes are no greyscale image.
    """
    stored, white = decode_numbers(data)
    if stored.ndim != 2:
        raise ValueError(f"a map is greyscale; this image has {stored.shape[2]} channels")
    values: SaliencyMap = stored.astype(np.float32) / np.float32(white)
    return values


def decode_numbers(data: bytes) -> tuple[NDArray[Any], int]:
    """Read a picture that holds data (a map, a mask, classes): its numbers as they are stored.

    Colour profiles, gamma and orientation are ignored; pictures that people saw are read by
    `saliency.images.decoder`.

    Returns
    -------
    values : (height, width), or (height, width, 3 or 4) in the order blue, green, red, alpha; uint8 or uint16
    white : the highest number that the file's depth allows; 1, 3 or 15 in grey PNGs of 1, 2 or 4 bits

    Raises
    ------
    ValueError
        The bytes are no image of at most 16 bits.
    """
    is_png = data[:8] == PNG_SIGNATURE and len(data) >= 16 + PNG_HEADER.size
    width, height, depth, colour = PNG_HEADER.unpack_from(data, 16) if is_png else (1, 1, 8, 0)
    values = _unpacked(data) if data and width * height <= MOST_PIXELS else None
    if values is None:
        raise ValueError("the map is not a readable image")
    if values.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a map has 8 or 16 bits per pixel; this image holds {values.dtype}")
    if colour == 0 and depth < 8:  # grey of few bits, which OpenCV stretches to eight
        white = 2**depth - 1
        return values // (255 // white), white
    return values, int(np.iinfo(values.dtype).max)


def _unpacked(data: bytes) -> NDArray[Any] | None:
    try:
        return cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:  # an image beyond OpenCV's own limits
        return None
