"""A folder of maps from a file of annotations."""

import csv
import json
import platform
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import file_digest
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from saliency.annotations import ImageAnnotations
from saliency.files import ImageLines, encode_map_png, new_folder, parse_image_lines, read_image_lines
from saliency.maps import build_image_map
from saliency.merging import ImageMap
from saliency.parameters import MapParameters
from saliency.pool import map_ordered

COLUMNS: Final = ("image_id", "width", "height", "annotators", "coverage", "entropy", "agreement")
MARK: Final = "build.json"


@dataclass(frozen=True, slots=True)
class EncodedMap:
    """A map as it is stored: a 16-bit PNG and the numbers of its row in `maps.csv`."""

    image_id: str
    width: int
    height: int
    png: bytes
    annotators: int
    coverage: float
    entropy: float
    agreement: float | None


def encode_image_map(one: ImageMap) -> EncodedMap:
    """Encode the values of a map and keep its numbers."""
    return EncodedMap(
        image_id=one.image_id,
        width=one.width,
        height=one.height,
        png=encode_map_png(one.values),
        annotators=one.annotators,
        coverage=one.coverage,
        entropy=one.entropy,
        agreement=one.agreement,
    )


def build_encoded_maps(
    items: Iterable[ImageAnnotations], parameters: MapParameters, *, jobs: int = 1
) -> Iterator[tuple[str, EncodedMap | None]]:
    """Build maps like `saliency.maps.build_maps`, encoded where they were built.

    A PNG is a quarter of the size of its map, and encoding takes as long as building: both are reasons to do
    it in the process that built the map.
    """
    yield from map_ordered(partial(_encoded, parameters=parameters), items, jobs=jobs)


def _encoded(item: ImageAnnotations, parameters: MapParameters) -> tuple[str, EncodedMap | None]:
    built = build_image_map(item, parameters)
    return item.image_id, None if built is None else encode_image_map(built)


def _encoded_lines(group: ImageLines, parameters: MapParameters) -> tuple[str, EncodedMap | None]:
    return _encoded(parse_image_lines(group), parameters)


@dataclass(frozen=True, slots=True)
class BuildSummary:
    """How many images were read and how many of them have a map."""

    images: int
    maps: int


def build_folder(
    annotations: Path,
    target: Path,
    parameters: MapParameters,
    *,
    jobs: int = 1,
    progress: Callable[[int], object] | None = None,
) -> BuildSummary:
    """Write `maps/<image_id>.png`, `maps.csv` and `build.json`; the same input gives the same bytes.

    Parameters
    ----------
    annotations : as `saliency.files.read_annotations` takes it
    target : folder to make; an earlier build there is replaced, anything else is refused
    jobs : processes; their number changes no byte
    progress : called with the number of annotations of each image that is done

    Raises
    ------
    AnnotationFileError, OutputError
        Bad input or an unsuitable folder; nothing is written.
    """
    with new_folder(target, mark=MARK) as folder:
        (folder / "maps").mkdir()
        counted = _Counted(read_image_lines(annotations))
        built = map_ordered(partial(_encoded_lines, parameters=parameters), counted, jobs=jobs)
        rows = list(_written(built, folder / "maps", counted, progress))
        _write_table(folder / "maps.csv", rows)
        summary = BuildSummary(images=len(counted.sizes), maps=len(rows))
        _write_record(folder / MARK, annotations, parameters, summary)
    return summary


class _Counted:
    """Lets the groups through and remembers how many annotations each image had."""

    def __init__(self, groups: Iterable[ImageLines]) -> None:
        self.groups = groups
        self.sizes: dict[str, int] = {}

    def __iter__(self) -> Iterator[ImageLines]:
        for group in self.groups:
            self.sizes[group.image_id] = len(group.lines)
            yield group


def _written(
    built: Iterable[tuple[str, EncodedMap | None]],
    folder: Path,
    counted: _Counted,
    progress: Callable[[int], object] | None,
) -> Iterator[tuple[str, ...]]:
    for image_id, one in built:
        if one is not None:
            (folder / f"{image_id}.png").write_bytes(one.png)
            yield _row(one)
        if progress:
            progress(counted.sizes[image_id])


def _row(one: EncodedMap) -> tuple[str, ...]:
    agreement = "" if one.agreement is None else f"{one.agreement:.6f}"
    sizes = (str(one.width), str(one.height), str(one.annotators))
    return one.image_id, *sizes, f"{one.coverage:.6f}", f"{one.entropy:.6f}", agreement


def _write_table(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def _write_record(path: Path, annotations: Path, parameters: MapParameters, summary: BuildSummary) -> None:
    with annotations.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    record: dict[str, Any] = {
        "parameters": parameters.to_dict(),
        "input_sha256": digest,
        "images": summary.images,
        "maps": summary.maps,
        "versions": versions(),
    }
    path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Return the versions of everything that can change a byte of a map."""
    found = {"python": platform.python_version()}
    for name in ("cyborg-platform", "numpy", "opencv-python-headless", "scipy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from a source tree that was not installed
            found[name] = "unknown"
    return found
