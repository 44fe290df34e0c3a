"""Files at both ends: annotations in, 16-bit maps out.

What is written appears whole or not at all: a folder is built beside its place and moved there when it is
complete.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

SaliencyMap = NDArray[np.float32]

WHITE: Final = 65_535  # the 16-bit value of 1.0
PNG_OPTIONS: Final = (
    cv2.IMWRITE_PNG_COMPRESSION,
    1,
    cv2.IMWRITE_PNG_STRATEGY,
    cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
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
    image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise ValueError("the map is not a readable image")
    if image.ndim != 2:
        raise ValueError(f"a map is greyscale; this image has {image.shape[2]} channels")
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"a map has 8 or 16 bits per pixel; this image holds {image.dtype}")
    white = np.float32(255 if image.dtype == np.uint8 else WHITE)
    values: SaliencyMap = image.astype(np.float32) / white
    return values
