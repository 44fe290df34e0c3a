"""Decoded images kept on disk, named by what they came from, and mapped into memory.

A grid of runs on one dataset decodes its images once; processes on one machine share the pages. The folder
may be deleted at any time.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

VERSION: Final = 2
"""To be raised when the same files would decode to other bytes."""

SMALL_BYTES: Final = 64 * 2**20
"""What is smaller is decoded again each time: that takes a second, and leaves nothing behind."""

Where = Literal["auto", "memory", "disk"]


def cache_key(*parts: object) -> str:
    """A name for what these parts decide."""
    return hashlib.sha256(repr((VERSION, *parts)).encode()).hexdigest()[:32]


def goes_to_disk(where: Where, folder: Path | None, n_bytes: int) -> bool:
    """Whether decoded images are kept on disk: where it pays, and where there is room twice over."""
    if folder is None or where == "memory":
        return False
    if where == "auto" and n_bytes < SMALL_BYTES:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free > 2 * n_bytes


def cached_array(
    folder: Path, key: str, shape: tuple[int, ...], fill: Callable[[NDArray[np.uint8]], Iterable[None]]
) -> NDArray[np.uint8]:
    """The array of that name, mapped from its file; made by `fill` if there is none.

    The file appears in one move when it is complete. Two processes that make the same file at once write the
    same bytes, and the later one's stays. What the caller changes in the array does not reach the file.
    """
    path = folder / f"{key}.npy"
    if not is_cached(folder, key, shape):
        draft = folder / f".{key}.{uuid.uuid4().hex[:8]}.partial"
        try:
            array = np.lib.format.open_memmap(draft, mode="w+", dtype=np.uint8, shape=shape)
            for _ in fill(array):
                pass
            array.flush()
            os.replace(draft, path)  # noqa: PTH105 - beside its counterpart in dataset.py
        finally:
            draft.unlink(missing_ok=True)
    return np.lib.format.open_memmap(path, mode="c")


def is_cached(folder: Path, key: str, shape: tuple[int, ...]) -> bool:
    """Whether the array of that name is there."""
    try:
        return np.lib.format.open_memmap(folder / f"{key}.npy", mode="r").shape == shape
    except (OSError, ValueError):
        return False
