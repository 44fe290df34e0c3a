"""Files that come out: 16-bit maps, and folders of them.

What is written appears whole or not at all: a folder is built beside its place and moved there when it is
complete.
"""

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from saliency.scaling import SaliencyMap

WHITE: Final = 65_535  # the 16-bit value of 1.0
PNG_OPTIONS: Final = (  # on smooth maps half the time of OpenCV's defaults at the same size
    *(cv2.IMWRITE_PNG_COMPRESSION, 1),
    *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
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


class OutputError(ValueError):
    """A folder cannot be written; the message says which and why."""


def write_file(target: Path, data: bytes) -> None:
    """Write a file whole or not at all; its folder must exist, and an earlier file is replaced."""
    if not target.parent.is_dir():
        raise OutputError(f"{target}: there is no folder {target.parent}")
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        fresh = Path(scratch) / "new"
        fresh.write_bytes(data)
        fresh.replace(target)


def write_table(target: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_file(target, text.getvalue().encode())


@contextmanager
def new_folder(target: Path, *, mark: str) -> Iterator[Path]:
    """Give a folder to fill; it takes its place when the block ends well and vanishes when it does not.

    Parameters
    ----------
    target : where the folder will be; its parents are made. An earlier result there is replaced
    mark : name of a file that every result holds; a folder that has content without it is refused
    """
    _check_replaceable(target, mark)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        yield fresh
        _check_replaceable(target, mark)
        if target.exists():
            target.rename(Path(scratch) / "old")
        fresh.rename(target)


def _check_replaceable(target: Path, mark: str) -> None:
    if target.is_dir():
        if any(target.iterdir()) and not (target / mark).is_file():
            raise OutputError(f"{target} is not empty and holds no {mark}, so it is left alone")
    elif target.exists():
        raise OutputError(f"{target} is a file, not a folder")
