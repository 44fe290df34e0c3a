"""Import the CYBORG authors' folders, "UND WACV 2023 CYBORG", as a dataset folder.

Their layout (the dataset is given on request, and is not part of this project):

    csvs/original.csv           no header; `split,label,path`; label Real or Synthetic; path begins with /
    csvs/large_dataset_7x.csv   the same with more training images, which become the split `extra`
    train/heatmaps/             maps, under the file names of their images
    test/{0_real,1_fake}/<source>_aligned/…

In their CSV the word "test" means validation. A map that is missing, black or in colour makes the original
code crash or learn from NaN; here the image is kept without a map, or the map is read as grey.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.files.text import TextFileError, csv_rows, read_text, separator_of
from saliency.maps.png import decode_numbers
from training.data.dataset import DatasetWriter
from training.data.pixels import pixels_of
from training.errors import DatasetError

LABELS: Final = {"Real": "real", "Synthetic": "fake"}
SPLITS: Final = {"train": "train", "test": "val"}
WORDS: Final = frozenset(word.lower() for word in (*LABELS, *SPLITS))
"""First words of the rows of their tables, from which the separator is recognised."""
FOLDERS: Final = {"0_real": "real", "1_fake": "fake"}
IMAGES: Final = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image of theirs, with its label, split, source and id in the dataset."""

    path: Path
    label: str
    split: str
    source: str
    image_id: str


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """Progress after an image; `note` says what was unusual about it, or is empty."""

    done: int
    total: int
    note: str


def import_und(root: Path, out_dir: Path, *, test_limit: int | None = None) -> Iterator[ImportProgress]:
    """Write the dataset folder; yields after each image.

    test_limit : at most so many test images of each source, the first by name; None takes all 700,000
    `DatasetError`: not their layout, a file is missing, or two images would have one id
    """
    base = root / "ALL_IMAGES" if (root / "ALL_IMAGES").is_dir() else root
    images = _distinct([*_listed(root, base), *_test_images(base, test_limit)])
    parameters = {"imported_from": "UND WACV 2023 CYBORG", "test_limit": test_limit}
    with DatasetWriter(out_dir, study="und-wacv2023", map_set="authors", parameters=parameters) as writer:
        for done, image in enumerate(images, start=1):
            pixels = _decode(image.path)
            saliency, note = None, ""
            if image.split == "train":
                saliency, note = _map(base / "train" / "heatmaps" / image.path.name, pixels.shape[:2])
            writer.add(
                image_id=image.image_id,
                image=_png(pixels),
                label=image.label,
                source=image.source,
                split=image.split,
                map=saliency,
            )
            yield ImportProgress(done, len(images), note)


def _distinct(images: list[ListedImage]) -> list[ListedImage]:
    """The images without repetitions; `DatasetError` if two files have one id, before hours of decoding."""
    paths: dict[str, Path] = {}
    for image in images:
        other = paths.setdefault(image.image_id, image.path)
        if other != image.path:
            raise DatasetError(f"{other} and {image.path} would both be the image {image.image_id}.")
    return list({image.image_id: image for image in images}.values())


def _listed(root: Path, base: Path) -> Iterator[ListedImage]:
    """Training and validation images of the smaller CSV, and the additional images of the larger one."""
    tables = root / "csvs"
    known = set()  # the larger table repeats the smaller one
    for image in _rows(tables / "original.csv", base):
        known.add(image.path)
        yield image
    larger = tables / "large_dataset_7x.csv"
    for image in _rows(larger, base) if larger.is_file() else ():
        if image.split == "train" and image.path not in known:
            yield replace(image, split="extra", image_id=f"extra.{image.image_id.partition('.')[2]}")


def _rows(table: Path, base: Path) -> Iterator[ListedImage]:
    if not table.is_file():
        raise DatasetError(f"{table} does not exist; this is not the layout of UND WACV 2023 CYBORG.")
    try:
        text = read_text(table)
        for line, row in csv_rows(text, name=str(table), separator=separator_of(text, known=WORDS)):
            yield _row(row, base, where=f"{table}, line {line}")
    except TextFileError as error:
        raise DatasetError(str(error)) from None


def _row(row: list[str], base: Path, *, where: str) -> ListedImage:
    if len(row) != 3 or row[0] not in SPLITS or row[1] not in LABELS:
        raise DatasetError(f"{where}: `train|test,Real|Synthetic,/path` is wanted, not {','.join(row)!r}.")
    path = base / row[2].replace("\\", "/").lstrip("/")
    if ".." in path.parts:
        raise DatasetError(f"{where}: {row[2]} leads out of the folder.")
    if not path.is_file():
        raise DatasetError(f"{where}: {path} does not exist.")
    split, label = SPLITS[row[0]], LABELS[row[1]]
    return ListedImage(path, label, split, _source(path.stem, split, label), _id(split, path.stem))


def _id(*parts: str) -> str:
    """An image id: characters that ids cannot have become a hyphen."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", ".".join(parts))


def _source(stem: str, split: str, label: str) -> str:
    """The source, by the file name; the names of training images do not tell it, their label does."""
    if split == "train":
        return f"und_{label}"
    if label == "real":
        return "frgc"
    return "stylegan2" if stem.startswith("synth_face") else "srefi"


def _test_images(base: Path, limit: int | None) -> Iterator[ListedImage]:
    for folder, label in FOLDERS.items():
        for source_folder in sorted((base / "test" / folder).glob("*_aligned")):
            source = source_folder.name.removesuffix("_aligned")
            files = sorted(path for path in source_folder.rglob("*") if path.suffix.lower() in IMAGES)
            for path in islice(files, limit):
                name = path.relative_to(source_folder).with_suffix("").parts
                yield ListedImage(path, label, "test", source, _id("test", source, *name))


def _decode(path: Path) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(pixels_of(path), cv2.COLOR_RGB2BGR), np.uint8)


def _map(path: Path, shape: tuple[int, ...]) -> tuple[bytes | None, str]:
    """The map as a 16-bit PNG of the image's size, or None and the reason."""
    grey = _grey(path) if path.is_file() else None
    if grey is None:
        return None, f"{path.name} has no map"
    if not grey.any():
        return None, f"the map of {path.name} is black"
    height, width = shape
    if grey.shape != shape:
        grey = np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), np.uint16)
    return _png(grey), ""


def _grey(path: Path) -> NDArray[np.uint16] | None:
    """A grey map on the scale 0 … 65,535; None if the file cannot be read."""
    try:
        values, white = decode_numbers(path.read_bytes())
    except ValueError:
        return None
    grey = values if values.ndim == 2 else cv2.cvtColor(values[..., :3], cv2.COLOR_BGR2GRAY)
    return (grey.astype(np.uint32) * (65_535 // white)).astype(np.uint16)


def _png(pixels: NDArray[Any]) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])
