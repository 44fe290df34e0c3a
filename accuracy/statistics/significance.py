"""How sure a difference is: intervals within a run, tests between objectives over seeds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata, t, ttest_rel

from accuracy.statistics.metrics import Ranking, Values


def auc_interval(ranking: Ranking, *, level: float = 0.95) -> tuple[float, float] | None:
    """Confidence interval of an AUC over images, by DeLong's variance, cut to [0, 1].

    It says how much the AUC of this detector would change with other images, not with another seed. None
    when a class has fewer than two images.
    """
    m, n = ranking.totals
    if m < 2 or n < 2:
        return None
    fakes, reals = ranking.each()
    found = (n - ranking.reals + reals / 2) / n  # share of the reals below a fake of each score
    spared = 1 - (m - ranking.fakes + fakes / 2) / m
    area, found_variance = _mean_variance(found, fakes)
    error = np.sqrt(found_variance / m + _mean_variance(spared, reals)[1] / n)
    reach = norm.ppf((1 + level) / 2) * error
    return max(0.0, float(area - reach)), min(1.0, float(area + reach))


def _mean_variance(values: Values, counts: Values) -> tuple[float, float]:
    """Of values that occur so many times each; the variance of a sample (n − 1)."""
    total = counts.sum()
    mean = (counts * values).sum() / total
    return float(mean), float((counts * (values - mean) ** 2).sum() / (total - 1))


def placements(scores: ArrayLike, fake: ArrayLike) -> NDArray[np.float64]:
    """What each image adds to an AUC (DeLong, DeLong and Clarke-Pearson, 1988), shape (N,) in [0, 1].

    Of a fake the share of real images that it is scored above, of a real image the share of fakes that it is
    scored below; equal scores count half. Both means are the AUC. NaN where there is none of the other class.
    """
    values, flags = np.asarray(scores, np.float64), np.asarray(fake, np.bool_)
    pooled = rankdata(values)
    ranked = np.empty(len(values))
    with np.errstate(invalid="ignore"):
        ranked[flags] = (pooled[flags] - rankdata(values[flags])) / np.float64((~flags).sum())
        ranked[~flags] = 1 - (pooled[~flags] - rankdata(values[~flags])) / np.float64(flags.sum())
    return ranked


def paired_p(one: Sequence[float], two: Sequence[float]) -> float | None:
    """Two-sided paired t-test over seeds; None with fewer than two seeds or without any variation."""
    difference = np.subtract(one, two)
    if len(difference) < 2 or np.ptp(difference) == 0:
        return None
    return float(ttest_rel(one, two).pvalue)


def t_interval(
    mean: float | None, sd: float | None, count: int, *, level: float = 0.95
) -> tuple[float | None, float | None]:
    """Confidence interval of a mean over seeds by Student's t; (None, None) with fewer than two seeds."""
    if mean is None or sd is None or count < 2:
        return None, None
    reach = float(t.ppf((1 + level) / 2, count - 1)) * sd / count**0.5
    return mean - reach, mean + reach


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction for testing several differences at once; None stays None and does not count."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[i] = highest
    return corrected


def mean_sd(values: Sequence[float | None]) -> tuple[float | None, float | None, int]:
    """Mean, standard deviation (n − 1) and count of the defined values; one value has no deviation."""
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else None
    return mean, float(np.std(known, ddof=1)) if len(known) > 1 else None, len(known)
