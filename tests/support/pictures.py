"""Picture files for tests, drawn on the spot."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def pixels(seed: int = 0, *, width: int = 64, height: int = 64) -> np.ndarray:
    """(height, width, 3) uint8, smooth, and different for every seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def draw(path: Path, seed: int = 0, *, width: int = 64, height: int = 64, **options: Any) -> Path:
    """Write a picture in the format that the name says; `options` are Pillow's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed, width=width, height=height)).save(path, **options)
    return path
