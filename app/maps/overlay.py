"""A saliency map as something to lay over its image."""

from typing import Final

import cv2
import numpy as np

from saliency.files import decode_map_png

OPACITY: Final = 0.85
"""Of the most salient pixel; the least salient one is clear."""


def overlay_png(map_png: bytes) -> bytes:
    """Colour a map and make it as opaque as it is salient.

    Parameters
    ----------
    map_png : 16-bit greyscale PNG

    Returns
    -------
    overlay : 8-bit PNG with alpha, of the same size
    """
    values = decode_map_png(map_png)
    grey = np.rint(values * 255).astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2BGRA)
    coloured[..., 3] = np.rint(values * 255 * OPACITY)
    return bytes(cv2.imencode(".png", coloured)[1])
