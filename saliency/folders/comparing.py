"""Two folders of maps, image by image."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saliency.comparison.measures import MEASURES, compare_maps
from saliency.files.writing import write_table
from saliency.folders.reading import map_paths, read_map
from saliency.folders.writing import MARK
from saliency.images.resizing import resize


@dataclass(frozen=True, slots=True)
class FolderComparison:
    """What two folders have in common.

    Parameters
    ----------
    measures : for each image in both, the values of `MEASURES` in order
    same : images whose two files are equal byte by byte
    only_first, only_second : images with a map in one folder only
    settings : name and both values of every parameter that differs, where both folders say how they were made
    """

    measures: Mapping[str, tuple[float, ...]]
    same: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    settings: tuple[tuple[str, Any, Any], ...] = ()

    @property
    def most_changed(self) -> list[str]:
        """The images in both, those whose maps correlate least first; without the equal ones."""
        changed = [name for name in self.measures if name not in self.same]
        return sorted(changed, key=lambda name: self.measures[name][0])

    @property
    def means(self) -> dict[str, float]:
        """The mean of each measure over the images in both; empty without such images."""
        if not self.measures:
            return {}
        return dict(zip(MEASURES, np.mean(list(self.measures.values()), axis=0).tolist(), strict=True))


def compare_folders(
    first: Path, second: Path, *, progress: Callable[[int, int], object] | None = None
) -> FolderComparison:
    """Compare the maps of the images that two folders share; the first is the reference.

    A map of another size is brought to the size of the reference first. `progress` is called with how many
    images are done, of how many.
    """
    references, estimates = map_paths(first), map_paths(second)
    shared = [image_id for image_id in references if image_id in estimates]
    measures = {}
    for done, image_id in enumerate(shared, start=1):
        measures[image_id] = _compared(references[image_id], estimates[image_id])
        if progress:
            progress(done, len(shared))
    return FolderComparison(
        measures=measures,
        same=tuple(name for name in shared if references[name].read_bytes() == estimates[name].read_bytes()),
        only_first=tuple(name for name in references if name not in estimates),
        only_second=tuple(name for name in estimates if name not in references),
        settings=tuple(_differing(_settings(first), _settings(second))),
    )


def _settings(folder: Path) -> dict[str, Any]:
    """The parameters that a build was made with; empty where it does not say."""
    try:
        settings = json.loads((folder / MARK).read_text("utf-8"))["parameters"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return settings if isinstance(settings, dict) else {}


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name in sorted(first.keys() | second.keys()) if first and second else ():
        if first.get(name) != second.get(name):
            yield name, first.get(name), second.get(name)


def _compared(first: Path, second: Path) -> tuple[float, ...]:
    reference, estimate = read_map(first), read_map(second)
    if reference.shape != estimate.shape:
        estimate = resize(estimate, width=reference.shape[1], height=reference.shape[0])
    return tuple(compare_maps(reference, estimate).to_dict().values())


def write_measures(path: Path, compared: FolderComparison) -> None:
    """Write one row per shared image: its id and the measures."""
    rows = ((name, *(f"{value:.6f}" for value in values)) for name, values in compared.measures.items())
    write_table(path, ("image_id", *MEASURES), rows)


def first_few(names: Sequence[str], *, most: int = 5) -> str:
    """Return the first few names and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
