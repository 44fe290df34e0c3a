"""The masks of several annotators merged into one map, and how far the annotators agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box
from saliency.maps.blur import TRUNCATE, blur
from saliency.maps.granularity import coarsen
from saliency.maps.metrics import MaskMoments, agreement, coverage, entropy, leave_one_out
from saliency.maps.scaling import SaliencyMap, scale_map
from saliency.masks.rasterizing import Ink
from saliency.parameters import MapParameters

Total = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ImageMap:
    """The saliency map of one image, and the numbers that are reported with it.

    Parameters
    ----------
    values : (height, width) float32 in [0, 1]
    annotators : how many annotations with ink went in
    coverage : share of pixels that at least one of them painted
    entropy : of the map, in nats
    agreement : mean correlation of each blurred mask with the weighted mean of the others; None for one
        annotator
    """

    image_id: str
    width: int
    height: int
    values: SaliencyMap
    annotators: int
    coverage: float
    entropy: float
    agreement: float | None


@dataclass(frozen=True, slots=True)
class Contribution:
    """A mask with ink, and its weight above 0."""

    ink: Ink
    weight: float = 1.0


def merge(
    image_id: str,
    contributions: Sequence[Contribution],
    parameters: MapParameters,
    *,
    width: int,
    height: int,
) -> ImageMap | None:
    """Merge masks into the map of one image; None when there are fewer than `min_annotators`.

    Their order makes no difference when all weigh the same; otherwise it may change the last bit.
    """
    if len(contributions) < parameters.min_annotators:
        return None
    sigma_px = parameters.sigma_of(width=width, height=height)
    painted = weighted_sum(contributions, width=width, height=height)
    total = blur(painted, sigma_px=sigma_px)
    moments = blurred_moments(contributions, total, sigma_px=sigma_px)
    values = scale_map(total, scale=parameters.scale, out=total)
    values = coarsen(values, granularity=parameters.granularity, threshold=parameters.threshold)
    return ImageMap(
        image_id=image_id,
        width=width,
        height=height,
        values=values,
        annotators=len(contributions),
        coverage=coverage(painted),
        entropy=entropy(values),
        agreement=agreement(leave_one_out(moments)),
    )


def weighted_sum(contributions: Sequence[Contribution], *, width: int, height: int) -> Total:
    """Return the sum of the masks times their weights, (height, width).

    Masks that all weigh the same are counted, in uint8, or in uint16 from 256 of them on; scaling makes the
    map the same whatever that weight. Otherwise the sum is float32.
    """
    if len({contribution.weight for contribution in contributions}) <= 1:
        return sum_masks([contribution.ink for contribution in contributions], width=width, height=height)
    total: NDArray[np.float32] = np.zeros((height, width), dtype=np.float32)
    for contribution in contributions:
        ink = contribution.ink
        total[ink.box.slices] += np.float32(contribution.weight) * ink.mask
    return total


def sum_masks(inks: Sequence[Ink], *, width: int, height: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return how many annotators painted each pixel, (height, width) uint8, or uint16 from 256 of them on."""
    counts: NDArray[Any] = np.zeros((height, width), dtype=np.uint8 if len(inks) < 256 else np.uint16)
    for ink in inks:
        counts[ink.box.slices] += ink.mask
    return counts


def blurred_moments(
    contributions: Sequence[Contribution], total: SaliencyMap, *, sigma_px: float
) -> MaskMoments:
    """Collect what `leave_one_out` needs, one blurred mask at a time.

    Parameters
    ----------
    contributions : the masks of one image; weights that are all the same are taken as 1
    total : (height, width) float32, the blur of their `weighted_sum`
    """
    frame = Box(0, 0, total.shape[1], total.shape[0])
    are_equal = len({contribution.weight for contribution in contributions}) <= 1
    weights = np.array([1.0 if are_equal else contribution.weight for contribution in contributions])
    squares, with_total = [], []
    for contribution in contributions:
        box, values = _blurred(contribution.ink, frame, sigma_px=sigma_px)
        squares.append(_square(values))
        with_total.append(_inner(values, total[box.slices]))
    # A blur with reflected borders keeps the sum, so the painted pixels are counted instead.
    pixels = np.array([float(contribution.ink.pixels) for contribution in contributions])
    return MaskMoments(
        squares=np.array(squares) * weights**2,
        with_total=np.array(with_total) * weights,
        sums=pixels * weights,
        total_square=_square(total),
        pixels=total.size,
    )


def _blurred(ink: Ink, frame: Box, *, sigma_px: float) -> tuple[Box, SaliencyMap]:
    """Blur one mask where it can be anything but zero."""
    # The part ends where the image does, so borders reflect ink there; everywhere else they reflect zeros.
    part = ink.box.grow(int(TRUNCATE * sigma_px + 0.5)).meet(frame)
    padded = np.zeros((part.height, part.width), dtype=np.uint8)
    padded[ink.box.within(part).slices] = ink.mask
    return part, blur(padded, sigma_px=sigma_px)


def _square(values: SaliencyMap) -> float:
    return float(cv2.norm(values, cv2.NORM_L2SQR))


def _inner(first: SaliencyMap, second: SaliencyMap) -> float:
    """Return the inner product (xx + yy - |x - y|²) / 2: OpenCV sums squares in float64 without a copy."""
    return (_square(first) + _square(second) - float(cv2.norm(first, second, cv2.NORM_L2SQR))) / 2
