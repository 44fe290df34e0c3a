"""The maps of training images: human maps, or control maps and other sources in their place."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
from training.config import TEACHER_SOURCES, TeacherSource
from training.config import MapSource as Name
from training.data.dataset import DatasetFolder, Sample, png_header
from training.data.teacher_maps import TeacherManifest
from training.errors import DatasetError
from training.model.cam import fit_human


@dataclass(frozen=True, slots=True)
class MapSettings:
    """Which maps a run uses.

    name : `human`, or the source in their place: docs/losses.md
    folder : with the files of `segmentation`, a teacher and `masks`; None for the others
    seed : of `random` and of what is shuffled
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

    @property
    def teacher(self) -> TeacherManifest | None:
        """What is known of the teacher; None for other sources, and for a folder without a manifest."""
        if self.folder is None or self.name not in TEACHER_SOURCES:
            return None
        return TeacherManifest.read(self.folder)

    def teacher_record(self, samples: Sequence[Sample]) -> dict[str, Any]:
        """What run.json keeps of the teacher of these samples; empty where nothing is known of one."""
        teacher, keeps_human = self.teacher, self.name.startswith("human_or")
        drawn = [sample for sample in samples if not (keeps_human and sample.map)]
        return teacher.record(drawn) if teacher else {}


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
    `DatasetError`: a map is missing, damaged or not of the image's size, or not what its teacher wrote
    """
    map_settings = map_settings or MapSettings()
    if teacher := map_settings.teacher:
        teacher.require_unchanged(dataset, samples)
    source = _source(dataset, samples, map_settings)
    maps = torch.full((len(samples), *size), torch.nan)
    for i, sample in enumerate(samples):
        # A control stands in for a human map; an image that nobody painted has none to stand in for.
        if not sample.map and map_settings.folder is None:
            continue
        try:
            image_map = source(source_image(dataset.root, sample))
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
            images = [source_image(dataset.root, sample) for sample in samples if sample.map]
            source = Shuffled.of(dataset_maps, images, seed=map_settings.seed)
        case "inverted":
            source = Inverted(dataset_maps)
        case "uniform":
            source = Uniform()
        case "ellipse":
            source = Ellipse()
        case "random":
            source = RandomStrokes(dataset_maps, map_settings.seed)
        case _:
            source = _of_files(map_settings.name, dataset, samples, map_settings)
    return source


def _of_files(
    name: Literal["segmentation", "masks"] | TeacherSource,
    dataset: DatasetFolder,
    samples: Sequence[Sample],
    map_settings: MapSettings,
) -> MapSource:
    """Maps whose files lie outside the dataset folder."""
    folder = _existing(map_settings)
    match name:
        case "segmentation":
            return Segmentation(folder)
        case "masks":
            return RasterMasks(folder, MapParameters())
        case _:
            return _of_teacher(name, folder, dataset, samples, map_settings.seed)


def _of_teacher(
    name: TeacherSource, folder: Path, dataset: DatasetFolder, samples: Sequence[Sample], seed: int
) -> MapSource:
    """What a teacher drew; with `human` only where nobody painted, and then only those maps are shuffled."""
    keeps_human = name.startswith("human_or")
    drawn: MapSource = FolderMaps(folder)
    if "shuffled" in name:
        chosen = [sample for sample in samples if not (keeps_human and sample.map)]
        images = [source_image(dataset.root, sample) for sample in chosen]
        there = [image for image in images if FolderMaps(folder).path(image).is_file()]
        drawn = Shuffled.of(drawn, there, seed=seed)
    return _Human(DatasetMaps.of(dataset.root, samples), drawn) if keeps_human else drawn


@dataclass(frozen=True, slots=True)
class _Human:
    """The human map of an image where there is one, else that of another source."""

    human: DatasetMaps
    other: MapSource

    def __call__(self, image: SourceImage) -> ImageMap | None:
        return (self.human if image.image_id in self.human.paths else self.other)(image)


def _existing(map_settings: MapSettings) -> Path:
    if map_settings.folder is None or not map_settings.folder.is_dir():
        raise DatasetError(f"The folder of {map_settings.name} maps {map_settings.folder} does not exist.")
    return map_settings.folder


def _paths(folder: Path, name: Name, sample: Sample) -> Sequence[Path]:
    if name == "masks":
        return sorted((folder / sample.image_id).glob("*.png"))
    files = FolderMaps(folder).files if name in TEACHER_SOURCES else folder
    return [files / f"{sample.image_id}.png"]


def source_image(root: Path, sample: Sample) -> SourceImage:
    """Size and name of an image. All of a run are one group: a shuffled map may come from the other class."""
    with (root / sample.path).open("rb") as stream:
        width, height, _, _ = png_header(stream.read(33), what=str(root / sample.path))
    return SourceImage(sample.image_id, width, height)
