"""Which images to make maps for: those of a dataset, of a build, or of a list."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from saliency.files.text import TextFileError, read_csv
from saliency.folders.annotations_file import FILE_STEM, MAX_SIDE_PX
from saliency.sources.image import SourceError, SourceImage

PNG_HEAD: Final = 24  # signature, length and name of the first chunk, width, height


def read_images(path: Path) -> list[SourceImage]:
    """Return the images of a list, in its order.

    Parameters
    ----------
    path : a dataset folder (grouped by split and label), a build (one group), or a CSV file with the header
        image_id,width,height[,label] (grouped by label)
    """
    dataset = (path / "samples.csv").is_file()
    table = path / ("samples.csv" if dataset else "maps.csv") if path.is_dir() else path
    if not table.is_file():
        raise SourceError(f"{path} is no dataset, no build and no list of images")
    images: dict[str, SourceImage] = {}
    for where, row in _rows(table):
        image = _sample(row, path, where) if dataset else _listed(row, where)
        if image.image_id in images:
            raise SourceError(f"{where}: image {image.image_id} appears twice")
        images[image.image_id] = image
    return list(images.values())


def _rows(table: Path) -> list[tuple[str, dict[str, str]]]:
    try:
        return read_csv(table, required=["image_id"], known=("width", "height", "label"))
    except TextFileError as error:
        raise SourceError(str(error).removesuffix(".")) from error


def _sample(row: Mapping[str, str], root: Path, where: str) -> SourceImage:
    width, height = _png_size(root / (row.get("path") or ""), where)
    group = f"{row.get('split') or ''} {row.get('label') or ''}"
    return SourceImage(_image_id(row, where), width, height, group)


def _listed(row: Mapping[str, str], where: str) -> SourceImage:
    width, height = (_side(row, name, where) for name in ("width", "height"))
    return SourceImage(_image_id(row, where), width, height, row.get("label") or "")


def _image_id(row: Mapping[str, str], where: str) -> str:
    image_id = row.get("image_id") or ""
    if not FILE_STEM.fullmatch(image_id):
        raise SourceError(f"{where}: image_id must be a text of letters, digits, '.', '_' and '-'")
    return image_id


def _side(row: Mapping[str, str], name: str, where: str) -> int:
    text = row.get(name) or ""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_SIDE_PX:
        raise SourceError(f"{where}: {name} must be a whole number from 1 to {MAX_SIDE_PX}")
    return int(text)


def _png_size(path: Path, where: str) -> tuple[int, int]:
    try:
        with path.open("rb") as file:
            head = file.read(PNG_HEAD)
    except OSError as error:
        raise SourceError(f"{where}: {path} cannot be read: {error.strerror}") from error
    if len(head) < PNG_HEAD or head[1:4] != b"PNG" or head[12:16] != b"IHDR":
        raise SourceError(f"{where}: {path} is not a PNG file")
    width, height = struct.unpack(">II", head[16:])
    if not (1 <= width <= MAX_SIDE_PX and 1 <= height <= MAX_SIDE_PX):
        raise SourceError(f"{where}: {path} is {width}x{height} pixels; at most {MAX_SIDE_PX} a side")
    return width, height
