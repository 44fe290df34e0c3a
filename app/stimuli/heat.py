"""The heat map of a model, coloured to be laid over a face."""

from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.errors import BadStudy
from saliency.maps.png import decode_numbers

MOST_OPAQUE: Final = 0.65


def heat_map(path: Path, *, size: tuple[int, int], where: str) -> bytes:
    """A PNG with transparency, made of a greyscale PNG of `size` (width, height).

    Black is transparent; brighter pixels go from red to yellow and up to 65 % opacity. A constant map is
    evenly opaque.

    `BadStudy`: the file is no greyscale PNG of this size; the message begins with `where`
    """
    try:
        values, white = decode_numbers(path.read_bytes())
    except (OSError, ValueError):
        raise BadStudy(f"{where}: the map {path.name} cannot be read.") from None
    if values.ndim != 2:
        raise BadStudy(f"{where}: {path.name} is not a greyscale PNG.")
    if values.shape[::-1] != size:
        actual, wanted = ("×".join(map(str, pixels)) for pixels in (values.shape[::-1], size))
        raise BadStudy(f"{where}: {path.name} has {actual} pixels and its image {wanted}.")
    return _painted(values / white)


def _painted(values: NDArray[np.float64]) -> bytes:
    red = np.full_like(values, 255.0)
    colours = np.stack([red, 220.0 * values, 40.0 * (1 - values), 255.0 * MOST_OPAQUE * values], axis=-1)
    out = BytesIO()
    Image.fromarray(np.rint(colours).astype(np.uint8), "RGBA").save(out, "PNG")
    return out.getvalue()
