"""Folders of maps, read back."""

from pathlib import Path

from saliency.maps.png import decode_map_png
from saliency.maps.scaling import SaliencyMap


class MapFolderError(ValueError):
    """A folder of maps, or a list about it, cannot be used; the message names it."""


def map_paths(folder: Path) -> dict[str, Path]:
    """Return image id and file of each map in a build (or in its `maps` folder), in the order of the ids."""
    inner = folder / "maps"
    paths = {path.stem: path for path in sorted((inner if inner.is_dir() else folder).glob("*.png"))}
    if not paths:
        raise MapFolderError(f"{folder} holds no maps")
    return paths


def read_map(path: Path) -> SaliencyMap:
    """Read one map; an error names the file."""
    try:
        return decode_map_png(path.read_bytes())
    except ValueError as error:
        raise MapFolderError(f"{path}: {error}") from error
