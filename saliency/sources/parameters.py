"""A source by its name and parameters, as a recipe, a command or a record has it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

from saliency.parameters import MapParameters
from saliency.sources.controls import Coarsened, Ellipse, Inverted, RandomStrokes, Shuffled, Uniform
from saliency.sources.folder import FolderMaps
from saliency.sources.image import MapSource, SourceError, SourceImage
from saliency.sources.raster import RasterMasks
from saliency.sources.segmentation import FACE_CLASSES, Segmentation

Kind = Literal["maps", "uniform", "ellipse", "inverted", "shuffled", "random", "segmentation", "masks"]

NEEDS_FOLDER: Final[Mapping[Kind, str]] = {
    "maps": "the maps",
    "inverted": "the maps to invert",
    "shuffled": "the maps to shuffle",
    "random": "the maps whose area to match",
    "segmentation": "the segmentations",
    "masks": "the masks",
}

DEFAULT: Final = MapParameters()


@dataclass(frozen=True, slots=True)
class SourceParameters:
    """What decides the maps of a source besides the files it reads.

    Parameters
    ----------
    kind : which source
    seed : of "shuffled" and "random"; whole number of at least 0
    classes : of "segmentation"
    """

    kind: Kind
    seed: int = 0
    classes: tuple[int, ...] = FACE_CLASSES

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise SourceError(f"kind must be one of {', '.join(get_args(Kind))}, not {self.kind!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise SourceError(f"seed must be a whole number of at least 0, not {self.seed!r}")
        object.__setattr__(self, "classes", _classes(self.classes))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values that `from_dict` reads back."""
        return {"kind": self.kind, "seed": self.seed, "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SourceParameters":
        """Read `to_dict`; an unknown name is an error, a missing one takes its default."""
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise SourceError(f"{name!r} is not a parameter of a source")
        if "kind" not in values:
            raise SourceError("kind is missing")
        return cls(**values)


def _classes(value: object) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise SourceError(f"classes must be a list of at least one number, not {value!r}")
    if not all(type(number) is int and 0 <= number < 65_536 for number in value):
        raise SourceError(f"classes must be numbers from 0 to 65535, not {list(value)!r}")
    return tuple(sorted(set(value)))


def make_source(
    parameters: SourceParameters,
    *,
    folder: Path | None = None,
    images: Sequence[SourceImage] = (),
    maps: MapParameters = DEFAULT,
) -> MapSource:
    """Return the source that the parameters name.

    Parameters
    ----------
    folder : where its files lie; `NEEDS_FOLDER` says what they are
    images : all images among which "shuffled" exchanges maps
    maps : granularity and threshold of the maps; for "masks" also how they are merged. Which annotations
        count and how much has no meaning here

    Raises
    ------
    SourceError
        The source needs a folder and there is none.
    """
    source = _source(parameters, folder, images, maps)
    if maps.granularity == "map" or parameters.kind == "masks":
        return source
    return Coarsened(source, maps.granularity, maps.threshold)


def _source(
    parameters: SourceParameters, folder: Path | None, images: Sequence[SourceImage], maps: MapParameters
) -> MapSource:
    if parameters.kind == "uniform":
        return Uniform()
    if parameters.kind == "ellipse":
        return Ellipse()
    if folder is None or not folder.is_dir():
        missing = "" if folder is None else f": {folder} is none"
        raise SourceError(
            f"the source {parameters.kind} needs a folder of {NEEDS_FOLDER[parameters.kind]}{missing}"
        )
    if parameters.kind == "segmentation":
        return Segmentation(folder, parameters.classes)
    if parameters.kind == "masks":
        return RasterMasks(folder, maps)
    return _from_maps(parameters, FolderMaps(folder), images)


def _from_maps(parameters: SourceParameters, base: FolderMaps, images: Sequence[SourceImage]) -> MapSource:
    match parameters.kind:
        case "inverted":
            return Inverted(base)
        case "shuffled":
            with_map = [image for image in images if base.path(image).is_file()]
            return Shuffled.of(base, with_map, seed=parameters.seed)
        case "random":
            return RandomStrokes(base, parameters.seed)
        case _:
            return base
