"""Pictures of maps for people: colours, and a map laid over its image."""

from typing import Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.maps.scaling import SaliencyMap

Colours = Literal["turbo", "viridis", "inferno", "grey"]
Picture = NDArray[np.uint8]

COLOUR_MAPS: Final[dict[str, int]] = {
    "turbo": cv2.COLORMAP_TURBO,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "inferno": cv2.COLORMAP_INFERNO,
}


def colour(values: SaliencyMap, *, colours: Colours = "turbo") -> Picture:
    """Return a map in colours, (height, width, 3) uint8 in OpenCV's order blue, green, red."""
    if colours not in get_args(Colours):
        raise ValueError(f"colours must be one of {', '.join(get_args(Colours))}, not {colours!r}")
    grey = np.rint(values * 255).astype(np.uint8)
    if colours == "grey":
        return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), dtype=np.uint8)
    return np.asarray(cv2.applyColorMap(grey, COLOUR_MAPS[colours]), dtype=np.uint8)


def overlay(
    image: Picture, values: SaliencyMap, *, strength: float = 0.6, colours: Colours = "turbo"
) -> Picture:
    """Lay a map over its image: the more salient, the more colour; where nobody looked, the image shows.

    Parameters
    ----------
    image : (height, width, 3) uint8, blue, green, red
    values : map in [0, 1] of any size; it is stretched over the image
    strength : share of colour at the most salient pixel, 0 to 1
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"strength must be from 0 to 1, not {strength}")
    height, width = image.shape[:2]
    if values.shape != (height, width):
        values = np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    weight = strength * values[..., None]
    mixed = image * (1 - weight) + colour(values, colours=colours) * weight
    return np.asarray(np.rint(mixed), dtype=np.uint8)
