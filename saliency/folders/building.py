"""A folder of maps from a file of annotations."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import file_digest
from pathlib import Path

from saliency.files.writing import new_folder
from saliency.folders.annotations_file import ImageLines, parse_image_lines, read_image_lines
from saliency.folders.writing import MARK, EncodedMap, encode_image_map, write_maps, write_record
from saliency.maps.annotations import ImageAnnotations
from saliency.maps.building import build_image_map
from saliency.parameters import MapParameters
from saliency.pool import map_ordered


def build_encoded_maps(
    items: Iterable[ImageAnnotations], parameters: MapParameters, *, jobs: int = 1
) -> Iterator[tuple[str, EncodedMap | None]]:
    """Build maps like `saliency.maps.building.build_maps`, encoded where they were built.

    A PNG is a quarter of the size of its map, and encoding takes as long as building: both are reasons to do
    it in the process that built the map.
    """
    yield from map_ordered(partial(_encoded, parameters=parameters), items, jobs=jobs)


def _encoded(item: ImageAnnotations, parameters: MapParameters) -> tuple[str, EncodedMap | None]:
    built = build_image_map(item, parameters)
    return item.image_id, None if built is None else encode_image_map(built)


def _encoded_lines(group: ImageLines, parameters: MapParameters) -> tuple[str, EncodedMap | None]:
    return _encoded(parse_image_lines(group, parameters), parameters)


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
    annotations : as `saliency.folders.annotations_file.read_annotations` takes it
    target : folder to make; an earlier build there is replaced, anything else is refused
    jobs : processes; their number changes no byte
    progress : called with the number of annotations of each image that is done

    Raises
    ------
    AnnotationFileError, OutputError
        Bad input or an unsuitable folder; nothing is written.
    """
    with new_folder(target, mark=MARK) as folder:
        counted = _Counted(read_image_lines(annotations))
        built = map_ordered(partial(_encoded_lines, parameters=parameters), counted, jobs=jobs)
        maps = write_maps(folder, _reported(built, counted, progress))
        summary = BuildSummary(images=len(counted.sizes), maps=maps)
        write_record(folder, _record(annotations, parameters, summary))
    return summary


class _Counted:
    """Passes groups on, and counts the annotations of each image."""

    def __init__(self, groups: Iterable[ImageLines]) -> None:
        self.groups = groups
        self.sizes: dict[str, int] = {}

    def __iter__(self) -> Iterator[ImageLines]:
        for group in self.groups:
            self.sizes[group.image_id] = len(group.lines)
            yield group


def _reported(
    built: Iterable[tuple[str, EncodedMap | None]],
    counted: _Counted,
    progress: Callable[[int], object] | None,
) -> Iterator[EncodedMap]:
    for image_id, encoded in built:
        if encoded is not None:
            yield encoded
        if progress:
            progress(counted.sizes[image_id])


def _record(annotations: Path, parameters: MapParameters, summary: BuildSummary) -> dict[str, object]:
    with annotations.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return {
        "parameters": parameters.to_dict(),
        "input_sha256": digest,
        "images": summary.images,
        "maps": summary.maps,
    }
