"""The maps of training images: human maps, or control maps and other sources in their place."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saliency.maps.merging import ImageMap
from saliency.maps.png import WHITE, decode_numbers
from saliency.parameters import MapParameters
from saliency.sources import (
    Ellipse,
    FolderMaps,
    Inverted,
    MapSource,
    RandomStrokes,
    RasterMasks,
    Segmentation,
    Shuffled,
    SourceImage,
    Uniform,
)
from saliency.sources.image import SourceError, map_of
from training.config import MapSource as Name
from training.data.dataset import DatasetFolder, Sample, png_header
from training.errors import DatasetError
from training.model.cam import fit_human


@dataclass(frozen=True, slots=True)
class MapSettings:
    """Which maps a run uses.

    name : `human`, or the source in their place: docs/losses.md
    folder : with the files of `segmentation`, `teacher` and `masks`; None for the others
    seed : of `shuffled` and `random`
    """

    name: Name = "human"
    folder: Path | None = None
    seed: int = 0

    def fingerprint(self, samples: Sequence[Sample]) -> str:
        """SHA-256 over the files of `folder` that these samples use; empty without a folder."""
        if self.folder is None:
            return ""
        digest = hashlib.sha256()
        for path in (path for sample in samples for path in _paths(self.folder, self.name, sample)):
            digest.update(path.name.encode() + b"\0" + (path.read_bytes() if path.is_file() else b""))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class DatasetMaps:
    """The maps of a dataset; None for an image that has none."""

    root: Path
    paths: dict[str, str]

    @classmethod
    def of(cls, root: Path, samples: Sequence[Sample]) -> "DatasetMaps":
        return cls(root, {sample.image_id: sample.map for sample in samples if sample.map})

    def __call__(self, image: SourceImage) -> ImageMap | None:
        path = self.paths.get(image.image_id)
        return map_of(image, decode_map(self.root / path)) if path else None


def load_maps(
    dataset: DatasetFolder,
    samples: Sequence[Sample],
    size: tuple[int, int],
    map_settings: MapSettings | None = None,
) -> Tensor:
    """Maps at the size of the CAM, (N, h, w) float32 in [0, 1]; all NaN for an image that has none.

    A control replaces only maps that exist. Maps from a folder exist for every image that has a file there,
    also where nobody painted. A map that is 0 everywhere counts as none.

    size : height and width of the CAM
    map_settings : None is the dataset's own maps
    `DatasetError`: a map is missing, damaged or not of the image's size
    """
    map_settings = map_settings or MapSettings()
    source = _source(dataset, samples, map_settings)
    maps = torch.full((len(samples), *size), torch.nan)
    for i, sample in enumerate(samples):
        # A control stands in for a human map; an image that nobody painted has none to stand in for.
        if not sample.map and map_settings.folder is None:
            continue
        try:
            image_map = source(_image(dataset.root, sample))
        except SourceError as error:
            raise DatasetError(f"{error}.") from None
        if image_map is not None:
            maps[i] = fit_human(torch.from_numpy(image_map.values)[None], size)[0]
    return maps


def decode_map(path: Path) -> NDArray[np.float32]:
    """A 16-bit greyscale PNG -> (height, width) float32 in [0, 1]; `DatasetError` for any other file."""
    try:
        values, white = decode_numbers(path.read_bytes())
    except (OSError, ValueError):
        values, white = np.empty(0), 0
    if values.ndim != 2 or white != WHITE:
        raise DatasetError(f"{path} is not a 16-bit greyscale map.")
    return values.astype(np.float32) / np.float32(WHITE)


def _source(dataset: DatasetFolder, samples: Sequence[Sample], map_settings: MapSettings) -> MapSource:
    dataset_maps = DatasetMaps.of(dataset.root, samples)
    source: MapSource
    match map_settings.name:
        case "human":
            source = dataset_maps
        case "shuffled":
            # Only images with a map take part, so that each gets the map of another image.
            images = [_image(dataset.root, sample) for sample in samples if sample.map]
            source = Shuffled.of(dataset_maps, images, seed=map_settings.seed)
        case "inverted":
            source = Inverted(dataset_maps)
        case "uniform":
            source = Uniform()
        case "ellipse":
            source = Ellipse()
        case "random":
            source = RandomStrokes(dataset_maps, map_settings.seed)
        case "segmentation" | "teacher" | "masks":
            source = _of_files(map_settings.name, _existing(map_settings))
        case _:
            assert_never(map_settings.name)
    return source


def _of_files(name: Literal["segmentation", "teacher", "masks"], folder: Path) -> MapSource:
    match name:
        case "segmentation":
            return Segmentation(folder)
        case "teacher":
            return FolderMaps(folder)
        case "masks":
            return RasterMasks(folder, MapParameters())


def _existing(map_settings: MapSettings) -> Path:
    if map_settings.folder is None or not map_settings.folder.is_dir():
        raise DatasetError(f"The folder of {map_settings.name} maps {map_settings.folder} does not exist.")
    return map_settings.folder


def _paths(folder: Path, name: Name, sample: Sample) -> Sequence[Path]:
    if name == "masks":
        return sorted((folder / sample.image_id).glob("*.png"))
    files = FolderMaps(folder).files if name == "teacher" else folder
    return [files / f"{sample.image_id}.png"]


def _image(root: Path, sample: Sample) -> SourceImage:
    """All images of a run are one group: a shuffled map may come from the other class."""
    with (root / sample.path).open("rb") as stream:
        width, height, _, _ = png_header(stream.read(33), what=str(root / sample.path))
    return SourceImage(sample.image_id, width, height)
