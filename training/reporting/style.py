"""The style of all figures: colours that people with colour blindness can tell apart, then dashes."""

from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.maps.png import decode_numbers

COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, in the order of the run page's curves; legible on white and on black."""
MUTED: Final = "#7f7f7f"
DASHES: Final = ("solid", "dash", "dot", "dashdot")
"""The second half-dozen of scenarios repeats the colours with dashes, and so on."""


def colour(style: int) -> str:
    """The colour of a scenario by its number; grey for a negative one, which marks a reference line."""
    return COLOURS[style % len(COLOURS)] if style >= 0 else MUTED


def dash(style: int, wanted: str) -> str:
    """The dash of a line: `wanted`, or one that differs from other scenarios of the same colour."""
    return DASHES[max(style, 0) // len(COLOURS) % len(DASHES)] if wanted == "solid" else wanted


def coloured(path: Path) -> bytes | None:
    """A map's grey picture in the colours of the figures, as PNG; None where there is no such picture."""
    grey = grey_picture(path)
    return None if grey is None else in_colour(grey)


def grey_picture(path: Path) -> NDArray[np.uint8] | None:
    """A map's grey picture (h, w), as the gallery wrote it; None where there is none."""
    try:
        return decode_numbers(path.read_bytes())[0]
    except (OSError, ValueError):
        return None


def in_colour(grey: Any) -> bytes:
    """A grey picture (h, w) uint8, dark to bright, in the colours of the figures, as PNG."""
    return bytes(cv2.imencode(".png", cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS))[1])
