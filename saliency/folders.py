"""Folders of maps: reading them back, comparing two of them, averaging one."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saliency.comparison import MEASURES, compare_maps
from saliency.crop import SIZE_PX, FaceBox, apply_crop, face_crop
from saliency.files import decode_map_png, write_table
from saliency.resizing import resize
from saliency.scaling import SaliencyMap, scale_map


class MapFolderError(ValueError):
    """A folder of maps, or a list about it, cannot be used; the message names it."""


def map_paths(folder: Path) -> dict[str, Path]:
    """Return image id and file of each map in a build (or in its `maps` folder), in the order of the ids."""
    inner = folder / "maps"
    found = {path.stem: path for path in sorted((inner if inner.is_dir() else folder).glob("*.png"))}
    if not found:
        raise MapFolderError(f"{folder} holds no maps")
    return found


def read_map(path: Path) -> SaliencyMap:
    """Read one map; an error names the file."""
    try:
        return decode_map_png(path.read_bytes())
    except ValueError as error:
        raise MapFolderError(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True)
class FolderComparison:
    """What two folders have in common.

    Parameters
    ----------
    measures : for each image in both, the values of `MEASURES` in order
    same : images whose two files are equal byte by byte
    only_first, only_second : images with a map in one folder only
    """

    measures: Mapping[str, tuple[float, ...]]
    same: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def means(self) -> dict[str, float]:
        """The mean of each measure over the images in both; empty without such images."""
        if not self.measures:
            return {}
        return dict(zip(MEASURES, np.mean(list(self.measures.values()), axis=0).tolist(), strict=True))


def compare_folders(first: Path, second: Path) -> FolderComparison:
    """Compare the maps of the images that two folders share; the first is the reference.

    A map of another size is brought to the size of the reference first.
    """
    ones, twos = map_paths(first), map_paths(second)
    shared = [image_id for image_id in ones if image_id in twos]
    return FolderComparison(
        measures={image_id: _compared(ones[image_id], twos[image_id]) for image_id in shared},
        same=tuple(one for one in shared if ones[one].read_bytes() == twos[one].read_bytes()),
        only_first=tuple(one for one in ones if one not in twos),
        only_second=tuple(one for one in twos if one not in ones),
    )


def _compared(first: Path, second: Path) -> tuple[float, ...]:
    reference, estimate = read_map(first), read_map(second)
    if reference.shape != estimate.shape:
        estimate = resize(estimate, width=reference.shape[1], height=reference.shape[0])
    return tuple(compare_maps(reference, estimate).to_dict().values())


def write_measures(path: Path, compared: FolderComparison) -> None:
    """Write one row per shared image: its id and the measures."""
    rows = ((one, *(f"{value:.6f}" for value in values)) for one, values in compared.measures.items())
    write_table(path, ("image_id", *MEASURES), rows)


def read_boxes(path: Path) -> dict[str, FaceBox | None]:
    """Read which images to average, and where their faces are.

    Parameters
    ----------
    path : CSV with a header: `image_id`, and `x`, `y`, `w`, `h` of the face in pixels, or none of the four
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if "image_id" not in (reader.fieldnames or ()):
            raise MapFolderError(f"{path}: the header has no image_id")
        return {row["image_id"]: _box(row, f"{path}, line {reader.line_num}") for row in reader}


def _box(row: Mapping[str, str | None], where: str) -> FaceBox | None:
    texts = [(row.get(name) or "").strip() for name in "xywh"]
    if not any(texts):
        return None
    try:
        x, y, w, h = map(float, texts)
    except ValueError as error:
        raise MapFolderError(f"{where}: x, y, w, h must be four numbers or none") from error
    return x, y, w, h


def average_map(
    folder: Path, boxes: Mapping[str, FaceBox | None] | None = None, *, size: int = SIZE_PX
) -> tuple[SaliencyMap, int]:
    """Average the maps of a folder after bringing each face to the same frame.

    Parameters
    ----------
    folder : a build
    boxes : images to average and their face boxes; None averages all of them uncropped
    size : side of the square result in pixels

    Returns
    -------
    average : (size, size) float32, scaled to [0, 1]
    images : how many maps went in, at least 1
    """
    paths = map_paths(folder)
    chosen: Mapping[str, FaceBox | None] = boxes if boxes is not None else dict.fromkeys(paths)
    total, images = np.zeros((size, size), dtype=np.float64), 0
    for cropped in _cropped(((one, paths[one], box) for one, box in chosen.items() if one in paths), size):
        total += cropped
        images += 1
    if not images:
        raise MapFolderError(f"{folder} has a map for none of the listed images")
    return scale_map((total / images).astype(np.float32)), images


def _cropped(maps: Iterable[tuple[str, Path, FaceBox | None]], size: int) -> Iterator[SaliencyMap]:
    for image_id, path, box in maps:
        values = read_map(path)
        try:
            crop = face_crop(box, width=values.shape[1], height=values.shape[0])
        except ValueError as error:
            raise MapFolderError(f"image {image_id}: {error}") from error
        yield np.asarray(apply_crop(values, crop, size=size), dtype=np.float32)


def shown(names: Sequence[str], *, most: int = 5) -> str:
    """Return the first few names and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
