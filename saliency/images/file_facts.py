"""What an image file says of itself beside its picture: format, bytes, size, strength of compression."""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from saliency.images.decoder import DAMAGE, FORMATS
from saliency.images.unusable import Unusable

LUMINANCE: Final = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
"""The quantisation table for luminance of ITU-T T.81, annex K; encoders scale it by their quality."""
CHROMA: Final = ("4:4:4", "4:2:2", "4:2:0")
"""Chroma subsampling, by Pillow's numbers."""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is lost when an image is decoded and stored anew."""

    format: str
    """Pillow's name of it: JPEG, PNG, WEBP, …"""
    bytes: int
    width: int
    height: int
    quality: int | None = None
    """Of a JPEG file, 1 to 100, by its quantisation table; None for other formats."""
    chroma: str | None = None
    """Of a JPEG file, one of `CHROMA`; None where it is another or there is none."""

    def as_record(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> Self:
        return cls(**record)


def read_file_facts(path: Path) -> FileFacts:
    """The facts of a file, from its header; `Unusable` where it is no image."""
    try:
        size_bytes = path.stat().st_size
        with Image.open(path, formats=FORMATS) as image:
            if isinstance(image, JpegImagePlugin.JpegImageFile):
                sampling = JpegImagePlugin.get_sampling(image)
                chroma = CHROMA[sampling] if 0 <= sampling < len(CHROMA) else None
                table = image.quantization.get(0)
                quality = jpeg_quality(table) if table else None
                return FileFacts("JPEG", size_bytes, *image.size, quality, chroma)
            return FileFacts(str(image.format), size_bytes, *image.size)
    except DAMAGE as error:
        raise Unusable(f"cannot be read: {str(error).rstrip('.')}.") from None


def jpeg_quality(table: list[int] | NDArray[Any]) -> int:
    """The quality, 1 to 100, whose luminance table is nearest to this one of 64 numbers.

    Exact for encoders that scale the table of the standard as the Independent JPEG Group's does; for a table
    of another maker the quality that quantises about as hard. The order of the numbers does not matter.
    """
    given = np.sort(np.asarray(table, np.float64).ravel())
    return int(np.abs(_tables() - given).sum(axis=1).argmin()) + 1


@cache
def _tables() -> NDArray[np.float64]:
    """(100, 64) the sorted luminance table of each quality from 1 on."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    tables = np.clip((np.array(LUMINANCE) * scale[:, None] + 50) // 100, 1, 255)
    return np.sort(tables, axis=1).astype(np.float64)
