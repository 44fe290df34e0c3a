"""Read image files with the shared decoder, with errors of this package. Does not import torch."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from saliency.images.decoder import read_pixels
from saliency.images.unusable import Unusable
from training.errors import DatasetError


def pixels_of(path: Path) -> NDArray[np.uint8]:
    """The picture in a file, (height, width, 3) RGB; DatasetError says why there is none."""
    try:
        return read_pixels(path)
    except Unusable as reason:
        raise DatasetError(f"{path} {reason}") from None
