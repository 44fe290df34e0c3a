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
