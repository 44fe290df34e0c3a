"""How far annotators agree, and how many of them a map needs.

Everything follows from the covariances of the annotators' blurred masks: the correlation of any two group
means is a quotient of sums of them, so thousands of splits cost no more than one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box
from saliency.maps.annotations import ImageAnnotations
from saliency.maps.blur import blur
from saliency.maps.building import counted_inks
from saliency.maps.metrics import FLAT
from saliency.masks.rasterizing import Ink
from saliency.parameters import MapParameters
from saliency.pool import map_ordered

SPLITS: Final = 200  # random splits per group size; their mean varies by about a thousandth

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImageReliability:
    """Agreement of the annotators of one image.

    Parameters
    ----------
    annotators : annotations with ink, n >= 2
    leave_one_out : mean correlation of one with the mean of the others: how well people predict one another
    with_own : mean correlation of one with the mean of all, itself among them: at least as high; between the
        two lies what the best model of people reaches against single ones
    curve : mean correlation between two disjoint random groups of 1, 2, ... n // 2 annotators
    iou, dice : of the masks, mean over all pairs
    """

    image_id: str
    annotators: int
    leave_one_out: float
    with_own: float
    curve: tuple[float, ...]
    iou: float
    dice: float

    @property
    def projected(self) -> float:
        """Reliability of the map of all annotators, projected from the largest halves."""
        return spearman_brown(self.curve[-1], factor=self.annotators / len(self.curve))

    @property
    def ceiling(self) -> float:
        """The square root of that: how far a map without any noise is expected to correlate with this one."""
        return float(np.sqrt(self.projected))


def image_reliability(
    item: ImageAnnotations, parameters: MapParameters, *, seed: int = 0, splits: int = SPLITS
) -> ImageReliability | None:
    """Measure agreement on one image; None when fewer than two annotations with ink count."""
    inks = [ink for _, ink in counted_inks(item, parameters)]
    if len(inks) < 2:
        return None
    sigma_px = parameters.sigma_of(width=item.width, height=item.height)
    covariance = blurred_covariance(inks, width=item.width, height=item.height, sigma_px=sigma_px)
    rng = np.random.default_rng(seed)
    sizes = range(1, len(inks) // 2 + 1)
    overlaps = [_overlap(ink, earlier) for i, ink in enumerate(inks) for earlier in inks[:i]]
    return ImageReliability(
        image_id=item.image_id,
        annotators=len(inks),
        leave_one_out=float(np.mean(_each_with_others(covariance))),
        with_own=float(np.mean(_each_with_all(covariance))),
        curve=tuple(split_half(covariance, size=size, splits=splits, rng=rng) for size in sizes),
        iou=float(np.mean([iou for iou, _ in overlaps])),
        dice=float(np.mean([dice for _, dice in overlaps])),
    )


def reliabilities(
    items: Iterable[ImageAnnotations], parameters: MapParameters, *, seed: int = 0, jobs: int = 1
) -> Iterator[tuple[int, ImageReliability | None]]:
    """Measure many images in order, shared by processes; yield annotations read, and the result."""
    yield from map_ordered(partial(_counted, parameters=parameters, seed=seed), items, jobs=jobs)


def _counted(
    item: ImageAnnotations, parameters: MapParameters, seed: int
) -> tuple[int, ImageReliability | None]:
    return len(item.annotations), image_reliability(item, parameters, seed=seed)


def blurred_covariance(inks: Sequence[Ink], *, width: int, height: int, sigma_px: float) -> Floats:
    """Return the (n, n) covariances of the blurred masks over the pixels of the image.

    A mask without relief (everything painted) covaries with nothing, itself included.
    """
    blurred = np.zeros((len(inks), height, width), dtype=np.float32)
    for values, ink in zip(blurred, inks, strict=True):
        mask = np.zeros((height, width), dtype=np.uint8)
        mask[ink.box.slices] = ink.mask
        values[...] = blur(mask, sigma_px=sigma_px)
    rows = blurred.reshape(len(inks), -1)
    # Mean of products less product of means: one matrix product in float32, and only n x n numbers after it.
    means = rows.mean(axis=1, dtype=np.float64)
    power = np.asarray(rows @ rows.T, dtype=np.float64) / rows.shape[1]
    covariance = power - np.outer(means, means)
    # What is left of a constant mask is rounding; 0 keeps it from counting as agreement.
    varies = np.diag(covariance) > FLAT * np.diag(power)
    return covariance * np.outer(varies, varies)


def _overlap(first: Ink, second: Ink) -> tuple[float, float]:
    """Return IoU and Dice of two masks that both have ink."""
    shared: Box = first.box.meet(second.box)
    both = 0
    if not shared.empty:
        parts = (ink.mask[shared.within(ink.box).slices] for ink in (first, second))
        both = int(np.count_nonzero(np.logical_and(*parts)))
    areas = first.pixels + second.pixels
    return both / (areas - both), 2 * both / areas


def _each_with_others(covariance: Floats) -> list[float]:
    choices = np.eye(len(covariance), dtype=bool)
    return [group_correlation(covariance, is_chosen, ~is_chosen) for is_chosen in choices]


def _each_with_all(covariance: Floats) -> list[float]:
    everybody = np.ones(len(covariance), dtype=bool)
    return [
        group_correlation(covariance, is_chosen, everybody)
        for is_chosen in np.eye(len(covariance), dtype=bool)
    ]


def group_correlation(covariance: Floats, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the correlation between the mean maps of two groups; 0 when either is constant."""
    # Weights of a mean: cov(mean of a group, mean of another) is a sum over the table of covariances.
    x, y = first / max(1, first.sum()), second / max(1, second.sum())
    variances = (x @ covariance @ x) * (y @ covariance @ y)
    if variances <= 1e-10 * float(np.diag(covariance).max()) ** 2:
        return 0.0
    return float(np.clip(x @ covariance @ y / np.sqrt(variances), -1.0, 1.0))


def split_half(covariance: Floats, *, size: int, splits: int, rng: np.random.Generator) -> float:
    """Return the mean correlation between two disjoint random groups of one size."""
    number = len(covariance)
    results = []
    for _ in range(splits):
        order = rng.permutation(number)
        first, second = np.zeros((2, number), dtype=bool)
        first[order[:size]] = second[order[size : 2 * size]] = True
        results.append(group_correlation(covariance, first, second))
    return float(np.mean(results))


def spearman_brown(reliability: float, *, factor: float) -> float:
    """Project a reliability to `factor` times as many annotators: k r / (1 + (k - 1) r).

    A reliability of 0 or less says nothing about more annotators and projects to 0.
    """
    return factor * reliability / (1 + (factor - 1) * reliability) if reliability > 0 else 0.0


def annotators_needed(single: float, *, target: float = 0.9) -> int | None:
    """Return how many annotators reach a reliability, given that of single ones; None: no number does."""
    if single <= 0:
        return None
    if single >= target:
        return 1
    # Spearman-Brown solved for the number: k = R (1 - r) / (r (1 - R)); less a rounding, so 9.000000001 is 9.
    return int(np.ceil(target * (1 - single) / (single * (1 - target)) - 1e-9))


@dataclass(frozen=True, slots=True)
class Reliability:
    """Means over the images that at least two people annotated; None where there are none.

    `curve_images` tells how many images each point of the curve rests on, `needed` how many annotators reach
    the reliability `target`.
    """

    images: int
    annotators: float | None
    leave_one_out: float | None
    with_own: float | None
    curve: tuple[float, ...]
    curve_images: tuple[int, ...]
    projected: float | None
    ceiling: float | None
    target: float
    needed: int | None
    iou: float | None
    dice: float | None


def summarise(images: Sequence[ImageReliability], *, target: float = 0.9) -> Reliability:
    """Average over images; each point of the curve over the images that reach it."""
    if not images:
        return Reliability(0, None, None, None, (), (), None, None, target, None, None, None)
    longest = max(len(image.curve) for image in images)
    curve = tuple(
        float(np.mean([image.curve[k] for image in images if len(image.curve) > k])) for k in range(longest)
    )
    return Reliability(
        images=len(images),
        annotators=float(np.mean([image.annotators for image in images])),
        leave_one_out=float(np.mean([image.leave_one_out for image in images])),
        with_own=float(np.mean([image.with_own for image in images])),
        curve=curve,
        curve_images=tuple(sum(len(image.curve) > k for image in images) for k in range(longest)),
        projected=float(np.mean([image.projected for image in images])),
        ceiling=float(np.mean([image.ceiling for image in images])),
        target=target,
        needed=annotators_needed(curve[0], target=target),
        iou=float(np.mean([image.iou for image in images])),
        dice=float(np.mean([image.dice for image in images])),
    )
