"""How sure an AUC is with other images: DeLong's variance (DeLong, DeLong and Clarke-Pearson, 1988)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from accuracy.statistics.intervals import CONFIDENCE, Floats
from accuracy.statistics.ranking import Ranking


def auc_interval(ranking: Ranking, *, level: float = CONFIDENCE) -> tuple[float, float] | None:
    """Confidence interval of an AUC over images, cut to [0, 1]; normal quantile.

    It says how much the AUC of this detector would change with other images, not with another seed. None
    when a class has fewer than two images.
    """
    m, n = ranking.totals
    if m < 2 or n < 2:
        return None
    fakes, reals = ranking.each()
    of_fakes = (n - ranking.reals + reals / 2) / n  # placement of a fake of each score
    of_reals = 1 - (m - ranking.fakes + fakes / 2) / m
    area, fake_variance = _mean_variance(of_fakes, fakes)
    se = np.sqrt(fake_variance / m + _mean_variance(of_reals, reals)[1] / n)
    half_width = ndtri((1 + level) / 2) * se
    return max(0.0, float(area - half_width)), min(1.0, float(area + half_width))


def _mean_variance(values: Floats, counts: Floats) -> tuple[float, float]:
    """Mean and sample variance (n - 1) of values that occur `counts` times each."""
    total = counts.sum()
    mean = (counts * values).sum() / total
    return float(mean), float((counts * (values - mean) ** 2).sum() / (total - 1))


def placements(scores: ArrayLike, fake: ArrayLike) -> Floats:
    """What each image adds to an AUC, shape (N,) in [0, 1].

    Of a fake the share of real images that score below it, of a real image the share of fakes that score
    above it; equal scores count half. Both means are the AUC. NaN where there is none of the other class.
    """
    from scipy.stats import rankdata  # takes a second to import

    values, flags = np.asarray(scores, np.float64), np.asarray(fake, np.bool_)
    pooled = rankdata(values)
    placed = np.empty(len(values))
    with np.errstate(invalid="ignore"):
        placed[flags] = (pooled[flags] - rankdata(values[flags])) / np.float64((~flags).sum())
        placed[~flags] = 1 - (pooled[~flags] - rankdata(values[~flags])) / np.float64(flags.sum())
    return placed
