"""Saliency maps as coloured pictures, as an overlay as opaque as they are salient."""

from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.maps.png import decode_map_png
from saliency.maps.scaling import SaliencyMap

Colours = Literal["viridis", "inferno", "cividis"]
COLOURS: Final[tuple[Colours, ...]] = get_args(Colours)
"""Colour maps in which equal steps of the map look equal, with every kind of colour vision."""

OPACITY: Final = 0.6
"""Opacity of the most salient pixel; 0 saliency is clear. The map of a single annotator is 1 wherever they
painted, and the face must show through."""

_TABLES: Final[dict[Colours, int]] = {
    "viridis": cv2.COLORMAP_VIRIDIS,
    "inferno": cv2.COLORMAP_INFERNO,
    "cividis": cv2.COLORMAP_CIVIDIS,
}


def overlay_png(map_png: bytes, colours: Colours) -> bytes:
    """Colour a map and make it as opaque as it is salient.

    Parameters
    ----------
    map_png : greyscale PNG of 8 or 16 bits

    Returns
    -------
    overlay : 8-bit PNG with alpha, of the same size
    """
    values = decode_map_png(map_png)
    coloured = cv2.cvtColor(_coloured(values, colours), cv2.COLOR_BGR2BGRA)
    coloured[..., 3] = np.rint(values * 255 * OPACITY)
    return _png(coloured)


def picture_png(values: SaliencyMap, colours: Colours) -> bytes:
    """A map in colours without anything behind it, as 8-bit PNG."""
    return _png(_coloured(values, colours))


def _coloured(values: SaliencyMap, colours: Colours) -> NDArray[np.uint8]:
    grey = np.rint(values * 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(grey, _TABLES[colours]), dtype=np.uint8)


def _png(picture: NDArray[np.uint8] | cv2.typing.MatLike) -> bytes:
    return bytes(cv2.imencode(".png", picture)[1])
