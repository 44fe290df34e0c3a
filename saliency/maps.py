"""Saliency maps: where the people who judged correctly painted.

    map = scale(gaussian(mean of the masks of the counted annotations))

Every annotation weighs the same. An annotation without ink (no strokes, all erased, all outside the image)
does not count: it says nothing about where its author looked. Scaling makes the map the same either way.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any, Final, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.blur import TRUNCATE, blur
from saliency.boxes import Box
from saliency.masks import Ink, rasterize_ink
from saliency.metrics import Moments, agreement, coverage, entropy, leave_one_out
from saliency.pool import map_ordered
from saliency.strokes import Stroke

SaliencyMap = NDArray[np.float32]
Counts = NDArray[np.uint8] | NDArray[np.uint16]
Include = Literal["correct", "all"]
Scale = Literal["minmax", "peak"]

FLAT: Final = 1e-5  # a range below this share of the peak is rounding, not relief
MAX_SIGMA_PX: Final = 512.0


class ParameterError(ValueError):
    """A parameter of a map is unknown or out of range; the message names it."""


@dataclass(frozen=True, slots=True)
class MapParameters:
    """What decides a map besides its strokes; recorded with every map set.

    Parameters
    ----------
    sigma_px : standard deviation of the Gaussian in pixels of the annotated image, 0 to 512; 0 does not blur
    include : which annotations count, those of correct decisions or all
    min_annotators : an image with fewer counted annotations has no map; at least 1
    scale : "minmax" maps lowest and highest value to 0 and 1, "peak" only divides by the highest
    """

    sigma_px: float = 5.0
    include: Include = "correct"
    min_annotators: int = 1
    scale: Scale = "minmax"

    def __post_init__(self) -> None:
        if not 0 <= self.sigma_px <= MAX_SIGMA_PX:
            raise ParameterError(f"sigma_px must be from 0 to {MAX_SIGMA_PX:g}, not {self.sigma_px}")
        if self.min_annotators < 1:
            raise ParameterError(f"min_annotators must be at least 1, not {self.min_annotators}")
        if self.include not in get_args(Include):
            raise ParameterError(
                f"include must be one of {', '.join(get_args(Include))}, not {self.include!r}"
            )
        if self.scale not in get_args(Scale):
            raise ParameterError(f"scale must be one of {', '.join(get_args(Scale))}, not {self.scale!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that `from_dict` reads back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "MapParameters":
        """Read `to_dict`; an unknown name is an error, a missing one takes its default."""
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise ParameterError(f"{name!r} is not a parameter of a saliency map")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one participant painted on one image."""

    annotation_id: str
    correct: bool
    strokes: tuple[Stroke, ...]


@dataclass(frozen=True, slots=True)
class ImageAnnotations:
    """An image and everything that was painted on it; sizes in pixels."""

    image_id: str
    width: int
    height: int
    annotations: tuple[Annotation, ...]


@dataclass(frozen=True, slots=True)
class ImageMap:
    """The saliency map of one image and what it rests on.

    Parameters
    ----------
    values : (height, width) float32 in [0, 1]
    annotators : how many annotations with ink went in
    coverage : share of pixels that at least one of them painted
    entropy : of the map, in nats
    agreement : mean correlation of each blurred mask with the mean of the others; None for one annotator
    """

    image_id: str
    width: int
    height: int
    values: SaliencyMap
    annotators: int
    coverage: float
    entropy: float
    agreement: float | None


def build_image_map(item: ImageAnnotations, parameters: MapParameters) -> ImageMap | None:
    """Build the map of one image; None when fewer than `min_annotators` painted on it.

    The order of the annotations makes no difference, and neither does who drew what first.
    """
    inks = annotation_inks(item, parameters)
    if len(inks) < parameters.min_annotators:
        return None
    counts = sum_masks(inks, width=item.width, height=item.height)
    total = blur(counts, sigma_px=parameters.sigma_px)
    moments = blurred_moments(inks, total, sigma_px=parameters.sigma_px)
    values = scale_map(total, scale=parameters.scale, out=total)
    return ImageMap(
        image_id=item.image_id,
        width=item.width,
        height=item.height,
        values=values,
        annotators=len(inks),
        coverage=coverage(counts),
        entropy=entropy(values),
        agreement=agreement(leave_one_out(moments)),
    )


def build_maps(
    items: Iterable[ImageAnnotations], parameters: MapParameters, *, jobs: int = 1
) -> Iterator[tuple[str, ImageMap | None]]:
    """Build the maps of many images, in order, holding only a few in memory.

    Parameters
    ----------
    items : read as needed, so a generator over any number of images is fine
    jobs : processes to share the work; 1 stays in this one

    Yields
    ------
    image_id, map : one per item; None for an image that has no map
    """
    yield from map_ordered(partial(_named_map, parameters=parameters), items, jobs=jobs)


def _named_map(item: ImageAnnotations, parameters: MapParameters) -> tuple[str, ImageMap | None]:
    return item.image_id, build_image_map(item, parameters)


def annotation_inks(item: ImageAnnotations, parameters: MapParameters) -> list[Ink]:
    """Rasterise the annotations that count; those without ink are left out.

    They come in the order of their ids, so that sums do not depend on the order of reading.
    """
    counted = [one for one in item.annotations if one.correct or parameters.include == "all"]
    counted.sort(key=lambda one: one.annotation_id)
    inks = (rasterize_ink(one.strokes, width=item.width, height=item.height) for one in counted)
    return [ink for ink in inks if ink.pixels]


def sum_masks(inks: Sequence[Ink], *, width: int, height: int) -> Counts:
    """Return how many annotators painted each pixel, (height, width) uint8, or uint16 from 256 of them on."""
    counts: NDArray[Any] = np.zeros((height, width), dtype=np.uint8 if len(inks) < 256 else np.uint16)
    for ink in inks:
        counts[ink.box.slices] += ink.mask
    return counts


def scale_map(values: SaliencyMap, *, scale: Scale = "minmax", out: SaliencyMap | None = None) -> SaliencyMap:
    """Bring a map that is not negative into [0, 1].

    Parameters
    ----------
    values : (height, width) float32, at least 0
    scale : as in `MapParameters`
    out : where to write, `values` itself if they are no longer needed; a new array by default

    Returns
    -------
    scaled : (height, width) float32 in [0, 1]. A map of zeros stays zero. A constant map of anything else
        becomes 1 everywhere: everything was painted by everybody, so nothing is less salient than the rest.
    """
    scaled = np.empty_like(values) if out is None else out
    low, high = float(values.min()), float(values.max())
    if high - low <= FLAT * high:
        scaled[...] = 1.0 if high > 0 else 0.0
        return scaled
    floor = np.float32(low if scale == "minmax" else 0.0)
    np.subtract(values, floor, out=scaled)
    scaled *= np.float32(1.0 / (high - floor))
    return np.minimum(scaled, np.float32(1.0), out=scaled)


def blurred_moments(inks: Sequence[Ink], total: SaliencyMap, *, sigma_px: float) -> Moments:
    """Collect what `leave_one_out` needs, one blurred mask at a time.

    Parameters
    ----------
    inks : the masks of one image
    total : (height, width) float32, the blur of their sum
    """
    squares, with_total = [], []
    for ink in inks:
        box, values = _blurred(ink, Box(0, 0, total.shape[1], total.shape[0]), sigma_px=sigma_px)
        squares.append(_square(values))
        with_total.append(_inner(values, total[box.slices]))
    sums = np.array([float(ink.pixels) for ink in inks])  # a blur with reflected borders keeps the sum
    return Moments(np.array(squares), np.array(with_total), sums, _square(total), total.size)


def _blurred(ink: Ink, frame: Box, *, sigma_px: float) -> tuple[Box, SaliencyMap]:
    """Blur one mask where it can be anything but zero."""
    part = ink.box.grow(int(TRUNCATE * sigma_px + 0.5)).meet(frame)
    padded = np.zeros((part.height, part.width), dtype=np.uint8)
    padded[ink.box.within(part).slices] = ink.mask
    return part, blur(padded, sigma_px=sigma_px)


def _square(values: SaliencyMap) -> float:
    return float(cv2.norm(values, cv2.NORM_L2SQR))


def _inner(one: SaliencyMap, two: SaliencyMap) -> float:
    """Return the inner product; OpenCV sums squares in float64 without a copy, so three of them serve."""
    return (_square(one) + _square(two) - float(cv2.norm(one, two, cv2.NORM_L2SQR))) / 2
