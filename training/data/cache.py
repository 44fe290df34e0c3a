"""Cache arrays on disk, images or features, named by a hash of their source, and map them into memory.

A grid of runs on one dataset decodes its images once, and processes on one machine share the memory. The
folder may be deleted at any time.
"""

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

VERSION: Final = 2
"""Raise it when the same files decode to other bytes: older caches are then ignored."""

SMALL_BYTES: Final = 64 * 2**20
"""Smaller sets are not cached: decoding them again takes a second."""

Where = Literal["auto", "memory", "disk"]


def cache_key(*parts: object) -> str:
    """A file name from everything that decides the decoded bytes."""
    return hashlib.sha256(repr((VERSION, *parts)).encode()).hexdigest()[:32]


def goes_to_disk(where: Where, folder: Path | None, n_bytes: int) -> bool:
    """Whether to cache n_bytes on disk: if it is asked for or pays, and the disk has twice as much free."""
    if folder is None or where == "memory":
        return False
    if where == "auto" and n_bytes < SMALL_BYTES:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free > 2 * n_bytes


def cached_array(
    folder: Path, key: str, shape: tuple[int, ...], fill: Callable[[NDArray[np.uint8]], Iterable[None]]
) -> NDArray[np.uint8]:
    """The array of that name, mapped from its file; `fill` computes it if there is no such file.

    Two processes that make the same file at once write the
    same bytes, and the later file stays. The mapping is copy-on-write: changes do not reach the file.
    """
    if not is_cached(folder, key, shape):
        with new_array(folder, key, shape, np.dtype(np.uint8)) as array:
            for _ in fill(array):
                pass
    return open_array(folder, key)


@contextmanager
def new_array(folder: Path, key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Iterator[NDArray[Any]]:
    """An array on the disk to fill; its file appears in one move when the block ends without an error."""
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{key}.{uuid.uuid4().hex[:8]}.partial"
    try:
        # Filled on the disk, because a split may be larger than the memory.
        array = np.lib.format.open_memmap(draft, mode="w+", dtype=dtype, shape=shape)
        yield array
        array.flush()
        os.replace(draft, folder / f"{key}.npy")  # noqa: PTH105 - beside its counterpart in dataset.py
    finally:
        draft.unlink(missing_ok=True)


def open_array(folder: Path, key: str) -> NDArray[Any]:
    """The array of that name, mapped into memory; changes do not reach the file."""
    return np.lib.format.open_memmap(folder / f"{key}.npy", mode="c")


def is_cached(folder: Path, key: str, shape: tuple[int, ...]) -> bool:
    """Whether there is a file of that name with an array of this shape."""
    try:
        return np.lib.format.open_memmap(folder / f"{key}.npy", mode="r").shape == shape
    except (OSError, ValueError):
        return False
