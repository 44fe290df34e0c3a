"""Error rates of a detector at a threshold that is fixed in advance.

`scores` are (N,) and finite, higher means fake; `fake` is (N,) bool. A score above the threshold says fake.
"""

import numpy as np
from numpy.typing import ArrayLike

from accuracy.statistics.ranking import checked_scores


def accuracy(scores: ArrayLike, fake: ArrayLike, *, threshold: float) -> float | None:
    """Share of right answers; None for an empty set."""
    values, flags = checked_scores(scores, fake)
    return float(np.mean((values > threshold) == flags)) if len(values) else None


def acer(scores: ArrayLike, fake: ArrayLike, *, threshold: float) -> float | None:
    """Average classification error rate (ISO/IEC 30107-3): mean of APCER, the share of fakes that are missed,
    and BPCER, the share of real images that are called fake. None where a class is missing."""
    values, flags = checked_scores(scores, fake)
    if flags.all() or not flags.any():
        return None
    says_fake, fakes = values > threshold, np.count_nonzero(flags)
    hits = np.count_nonzero(says_fake & flags)
    false_alarms = np.count_nonzero(says_fake) - hits
    return float(((fakes - hits) / fakes + false_alarms / (len(flags) - fakes)) / 2)


def balanced_accuracy(scores: ArrayLike, fake: ArrayLike, *, threshold: float) -> float | None:
    """Mean of the shares of right answers of either class, which is 1 minus `acer`; None where a class is
    missing."""
    errors = acer(scores, fake, threshold=threshold)
    return None if errors is None else 1 - errors


def best_threshold(scores: ArrayLike, fake: ArrayLike) -> float | None:
    """The threshold of the largest balanced accuracy, halfway between two scores; the lowest of several.

    None where a class is missing. Constant scores give a threshold below them, which says fake of all.
    """
    values, flags = checked_scores(scores, fake)
    if flags.all() or not flags.any():
        return None
    order = np.argsort(values)
    values, flags = values[order], flags[order]
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    # Above each score: fakes that are still found, and real images that are no longer called fake.
    found = 1 - np.cumsum(flags)[last] / flags.sum()
    spared = np.cumsum(~flags)[last] / (~flags).sum()
    gain = np.append(0.0, found + spared - 1)  # the first says fake of all
    at = int(gain.argmax())
    distinct = values[last]
    if at == 0:
        return float(distinct[0] - 1)
    return float((distinct[at - 1] + distinct[at]) / 2) if at < len(distinct) else float(distinct[-1])
