"""How alike two maps of one image are, by nine measures.

The first map is the reference (people), the second the estimate (other people, a model). Maps are compared
as they are, not blurred or scaled again. Where a measure needs marked pixels instead of a map, they are the
reference's most salient tenth. Every measure has a value for a constant map, so averages never meet NaN:
a constant map has correlation 0 and NSS 0, an AUC of a half, no most salient tenth, and as a distribution
it is uniform, as is a map of zeros.
"""

from dataclasses import dataclass, fields
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.maps.metrics import Map, correlation

TOP_SHARE: Final = 0.1
EPSILON: Final = 2.220446049250313e-16  # as in the MIT saliency benchmark's KL
EMD_SIDE: Final = 16  # the earth mover works on a grid of at most this many cells a side

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MapMeasures:
    """The nine measures of `compare_maps`; see each function for its range and its best value."""

    cc: float
    spearman: float
    sim: float
    kl: float
    nss: float
    auc_judd: float
    iou: float
    dice: float
    emd: float

    def to_dict(self) -> dict[str, float]:
        """Return measure and value in the order in which they are reported."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def compare_maps(reference: Map, estimate: Map) -> MapMeasures:
    """Compute all measures for two maps (height, width), not negative; `ValueError` if shapes differ."""
    if reference.shape != estimate.shape:
        raise ValueError(f"maps have shapes {reference.shape} and {estimate.shape}; they must be equal")
    reference, estimate = reference.astype(np.float64), estimate.astype(np.float64)
    top, top_of_estimate = top_area(reference), top_area(estimate)
    return MapMeasures(
        cc=correlation(reference, estimate),
        spearman=spearman(reference, estimate),
        sim=similarity(reference, estimate),
        kl=divergence(reference, estimate),
        nss=normalised_saliency(estimate, top),
        auc_judd=auc_judd(estimate, top),
        iou=iou(top, top_of_estimate),
        dice=dice(top, top_of_estimate),
        emd=earth_movers_distance(reference, estimate),
    )


def spearman(first: Map, second: Map) -> float:
    """Return the correlation of ranks, -1 to 1; equal values share their mean rank; 0 for a constant map."""
    return correlation(_ranks(first), _ranks(second))


def _ranks(values: Map) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # takes a second to import

    return np.asarray(rankdata(values.ravel()), dtype=np.float64).reshape(values.shape)


def distribution(values: Map) -> NDArray[np.float64]:
    """Return a map that sums to 1; uniform for a map of zeros."""
    total = float(values.sum(dtype=np.float64))
    if total == 0:
        return np.full(values.shape, 1.0 / values.size)
    return np.asarray(values / total, dtype=np.float64)


def similarity(first: Map, second: Map) -> float:
    """Return the histogram intersection SIM = sum min(p, q), from 0 (apart) to 1 (equal)."""
    return float(np.minimum(distribution(first), distribution(second)).sum())


def divergence(reference: Map, estimate: Map) -> float:
    """Return KL = sum p ln(p / (q + epsilon)) in nats, p the reference; 0 for equal maps, never above 37."""
    p, q = distribution(reference), distribution(estimate)
    inked = p > 0
    return max(0.0, float((p[inked] * np.log(p[inked] / (q[inked] + EPSILON))).sum()))


def top_area(values: Map, *, share: float = TOP_SHARE) -> Mask:
    """Mark the most salient share of the pixels.

    Ties with the least of them are all marked, so a plateau may exceed the share; pixels of the lowest value
    never are, so a constant map has no such area and a map with little ink marks its ink.
    """
    wanted = max(1, round(share * values.size))
    threshold = np.partition(values, values.size - wanted, axis=None)[values.size - wanted]
    marked: Mask = (values >= threshold) & (values > values.min())
    return marked


def iou(first: Mask, second: Mask) -> float:
    """Return intersection over union, 0 to 1; 0 when both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0


def dice(first: Mask, second: Mask) -> float:
    """Return twice the intersection over the sum of areas, 0 to 1; 0 when both are empty."""
    areas = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * np.count_nonzero(first & second) / areas if areas else 0.0


def normalised_saliency(values: Map, marked: Mask) -> float:
    """Return NSS, the mean of the standardised map over the marked pixels; 0 is chance.

    0 for a constant map or when nothing is marked. The deviation is that of the population.
    """
    deviation = float(values.std(dtype=np.float64))
    if deviation == 0 or not marked.any():
        return 0.0
    return float((values[marked].mean(dtype=np.float64) - values.mean(dtype=np.float64)) / deviation)


def auc_judd(values: Map, marked: Mask) -> float:
    """Return the area under the ROC curve that tells marked from unmarked pixels by their value.

    Thresholds at every value, ties at half: the chance that a marked pixel is more salient than an unmarked
    one. 0.5 for a constant map, and when all pixels or none are marked.
    """
    hits, misses = int(np.count_nonzero(marked)), int(np.count_nonzero(~marked))
    if not hits or not misses:
        return 0.5
    ranks = _ranks(values)[marked].sum()
    return float((ranks - hits * (hits + 1) / 2) / (hits * misses))


def earth_movers_distance(first: Map, second: Map) -> float:
    """Return how far, in pixels, saliency has to be carried on average to turn one map into the other.

    Both maps are averaged onto a grid of at most 16 cells a side, the larger side first, before a linear
    programme finds the cheapest transport between cell centres. 0 for maps equal on that grid.
    """
    cell = max(1.0, max(first.shape) / EMD_SIDE)
    grid = max(1, round(first.shape[1] / cell)), max(1, round(first.shape[0] / cell))
    source, target = (_signature(values, grid) for values in (first, second))
    if len(source) == len(target) == 1:  # the distance itself, without the rounding of a programme
        return float(np.hypot(*(source[0, 1:] - target[0, 1:])))
    return float(cv2.EMD(source, target, cv2.DIST_L2)[0])


def _signature(values: Map, grid: tuple[int, int]) -> NDArray[np.float32]:
    """Return the cells above 0 as OpenCV's EMD takes them: (N, 3) float32, rows of weight, x, y in pixels."""
    height, width = values.shape
    coarse = cv2.resize(np.asarray(distribution(values)), grid, interpolation=cv2.INTER_AREA)
    weights = np.asarray(coarse, dtype=np.float64).reshape(grid[1], grid[0])
    rows, columns = np.nonzero(weights)
    x, y = (columns + 0.5) * width / grid[0], (rows + 0.5) * height / grid[1]
    share = weights[rows, columns] / weights.sum()
    return np.stack([share, x, y], axis=1).astype(np.float32)


MEASURES: Final[tuple[str, ...]] = tuple(field.name for field in fields(MapMeasures))
