"""Means of independent values, such as one per seed, and of decisions in clusters."""

from collections.abc import Sequence

import numpy as np

from accuracy.statistics.clusters import ClusteredSample, clustered_interval
from accuracy.statistics.intervals import UNDEFINED, Floats, Interval, t_interval


def mean_sd(values: Sequence[float | None]) -> tuple[float | None, float | None, int]:
    """Mean, sample standard deviation (n - 1) and count of the values that are defined.

    No mean for none of them, no deviation for fewer than two.
    """
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else None
    return mean, float(np.std(known, ddof=1)) if len(known) > 1 else None, len(known)


def mean_interval(values: Sequence[float | None]) -> Interval:
    """Mean of independent values with Student's 95 % t interval, and the test of a mean of 0.

    Of differences that belong together, such as those of two objectives by seed, it is the paired t test.
    None does not count; undefined for no value; the value alone for one, or for values that are all equal.
    """
    mean, sd, count = mean_sd(values)
    if mean is None:
        return UNDEFINED
    if sd is None or np.ptp([value for value in values if value is not None]) == 0:
        return Interval(mean)
    return t_interval(mean, sd / count**0.5, count - 1)


def clustered_mean(values: Floats, sample: ClusteredSample) -> Interval:
    """Mean of one value per decision, for other participants and other pairs; undefined for none.

    values : (N,) in the order of the sample
    """
    if not len(values):
        return UNDEFINED
    scores = (values - values.mean()) / len(values)
    return clustered_interval(float(values.mean()), scores, sample.pooled())


def clustered_mean_difference(values: Floats, sample: ClusteredSample) -> Interval:
    """Mean of one value per decision in arm 1 minus that in arm 0; undefined where an arm has none.

    values : (N,) in the order of the sample
    """
    ones = sample.arm == 1
    if not ones.any() or ones.all():
        return UNDEFINED
    means = np.where(ones, values[ones].mean(), values[~ones].mean())
    scores = (values - means) * np.where(ones, 1 / ones.sum(), -1 / (~ones).sum())
    return clustered_interval(float(values[ones].mean() - values[~ones].mean()), scores, sample)
