"""The average map of many images, their faces brought to one place first (the CYBORG paper's Fig. 4d)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from saliency.files.spreadsheets import original
from saliency.files.text import TextFileError, read_csv
from saliency.folders.reading import MapFolderError, map_paths, read_map
from saliency.images.crop import SIZE_PX, FaceBox, apply_crop, face_crop
from saliency.maps.scaling import SaliencyMap, scale_map


@dataclass(frozen=True, slots=True)
class Face:
    """An image to average: where its face is (None takes the whole image), its label and its source."""

    box: FaceBox | None = None
    label: str = ""
    source: str = ""


def read_faces(path: Path) -> dict[str, Face]:
    """Read which images to average.

    Parameters
    ----------
    path : CSV with a header: `image_id`, `x`, `y`, `w`, `h` of the face in pixels (or none of the four),
        `label`, `source`; only the first must be there. A dataset's samples.csv is such a list
    """
    try:
        rows = read_csv(path, required=["image_id"], known=(*"xywh", "label", "source"))
    except TextFileError as error:
        raise MapFolderError(str(error).removesuffix(".")) from error
    return {row["image_id"]: _face(row, where) for where, row in rows}


def _face(row: Mapping[str, str], where: str) -> Face:
    texts = [row.get(name, "") for name in "xywh"]
    label, source = row.get("label", ""), original(row.get("source", ""))
    if not any(texts):
        return Face(None, label, source)
    try:
        x, y, w, h = map(float, texts)
    except ValueError as error:
        raise MapFolderError(f"{where}: x, y, w, h must be four numbers or none") from error
    return Face((x, y, w, h), label, source)


def average_map(
    folder: Path,
    faces: Mapping[str, Face] | None = None,
    *,
    size: int = SIZE_PX,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[SaliencyMap, int]:
    """Average the maps of a folder after bringing each face to the same frame.

    Parameters
    ----------
    folder : a build
    faces : images to average; those without a map are left out; None averages all maps uncropped
    size : side of the square result in pixels
    progress : called with how many images are done, of how many

    Returns
    -------
    average : (size, size) float32, scaled to [0, 1]
    images : how many maps went in, at least 1
    """
    paths = map_paths(folder)
    chosen = dict.fromkeys(paths, Face()) if faces is None else faces
    with_map = [
        (image_id, paths[image_id], face.box) for image_id, face in chosen.items() if image_id in paths
    ]
    if not with_map:
        raise MapFolderError(f"{folder} has a map for none of the listed images")
    total = np.zeros((size, size), dtype=np.float64)
    for done, cropped in enumerate(_cropped(with_map, size), start=1):
        total += cropped
        if progress:
            progress(done, len(with_map))
    return scale_map((total / len(with_map)).astype(np.float32)), len(with_map)


def _cropped(maps: Iterable[tuple[str, Path, FaceBox | None]], size: int) -> Iterator[SaliencyMap]:
    for image_id, path, box in maps:
        values = read_map(path)
        try:
            crop = face_crop(box, width=values.shape[1], height=values.shape[0])
        except ValueError as error:
            raise MapFolderError(f"image {image_id}: {error}") from error
        yield np.asarray(apply_crop(values, crop, size=size), dtype=np.float32)
