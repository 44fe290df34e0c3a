"""A model's map of a face, as participants see it laid over the face."""

from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from app.errors import BadStudy

GREY_MODES: Final = {"L": 255.0, "I;16": 65535.0}
MOST_OPAQUE: Final = 0.65


def heat_map(path: Path, *, size: tuple[int, int], where: str) -> bytes:
    """The PNG with transparency made of a greyscale PNG of `size` (width, height).

    Black is not covered at all; brighter places go from red to yellow and cover more, up to 65 %. A
    constant map covers evenly. BadStudy, naming `where`, when the file is no such picture.
    """
    try:
        with Image.open(path) as picture:
            if picture.format != "PNG" or picture.mode not in GREY_MODES:
                raise BadStudy(f"{where}: {path.name} is not a greyscale PNG.")
            if picture.size != size:
                given, wanted = ("×".join(map(str, pixels)) for pixels in (picture.size, size))
                raise BadStudy(f"{where}: {path.name} has {given} pixels and its image {wanted}.")
            values = np.asarray(picture, dtype=np.float64) / GREY_MODES[picture.mode]
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        raise BadStudy(f"{where}: the map {path.name} cannot be read.") from None
    return _painted(values)


def _painted(values: NDArray[np.float64]) -> bytes:
    red = np.full_like(values, 255.0)
    colours = np.stack([red, 220.0 * values, 40.0 * (1 - values), 255.0 * MOST_OPAQUE * values], axis=-1)
    out = BytesIO()
    Image.fromarray(np.rint(colours).astype(np.uint8), "RGBA").save(out, "PNG")
    return out.getvalue()
