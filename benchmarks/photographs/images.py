"""The photographs and generated faces that are trained on and tested on, read from folders of others."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import cv2

from app.demo.regions import Region
from saliency.images.decoder import read_pixels
from saliency.images.faces import FaceFinder
from saliency.images.resizing import resize

Label = Literal["real", "fake"]

SIDE_PX: Final = 224
"""Of every picture that is written: what the network takes."""
TRAINING: Final[dict[str, Label]] = {"FFHQ photo": "real", "StyleGAN2": "fake"}
"""Sources of the training manifest that are used. A studio set beside them would give itself away."""
TEST: Final[dict[str, Label]] = {"FFHQ": "real", "PGGAN": "fake", "StyleGAN": "fake", "StyleGAN2": "fake"}
"""Sets of Lago et al. (2022) that are used; their four controls are not."""


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One image file with its label and source."""

    name: str
    path: Path
    label: Label
    source: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One image as it is written into datasets."""

    listed: ListedImage
    png: bytes
    face: Region | None
    """x, y, width, height of the largest face in pixels of the picture; None where none was found."""


def listed_training(manifest: Path) -> list[ListedImage]:
    """The images of `TRAINING` in a CSV with the columns path, label and source, by name."""
    with manifest.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] in TRAINING]
    for row in rows:
        if row["label"] != TRAINING[row["source"]]:
            raise ValueError(f"{manifest}: {row['path']} of {row['source']} is called {row['label']}.")
    return _by_name("train", ((manifest.parent / row["path"], row["source"]) for row in rows), TRAINING)


def listed_test(folder: Path) -> list[ListedImage]:
    """The images of `TEST` in the folder that Lago et al. (2022) published, by name."""
    with (folder / "Data" / "img.csv").open(newline="", encoding="utf-8-sig") as stream:
        rows = [row for row in csv.DictReader(stream, delimiter=";") if row["ds"] in TEST]
    return _by_name("test", ((folder / row["path"], row["ds"]) for row in rows), TEST)


def _by_name(group: str, files: Iterator[tuple[Path, str]], labels: dict[str, Label]) -> list[ListedImage]:
    listed = [
        ListedImage(f"{group}-{source.split()[0]}-{path.stem}", path, labels[source], source)
        for path, source in files
    ]
    return sorted(listed, key=lambda image: image.name)


def picture(listed: ListedImage, finder: FaceFinder | None = None) -> Picture:
    """Decode an image and bring it to `SIDE_PX`; with a finder also find its face."""
    pixels = read_pixels(listed.path)
    small = resize(pixels, width=SIDE_PX, height=SIDE_PX)
    png = cv2.imencode(".png", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
    faces = finder.find(pixels) if finder else []
    scale = (SIDE_PX / pixels.shape[1], SIDE_PX / pixels.shape[0])
    x, y, w, h = faces[0].box if faces else (0, 0, 0, 0)
    face = (x * scale[0], y * scale[1], w * scale[0], h * scale[1]) if faces else None
    return Picture(listed, bytes(png), face)
