"""Uncertainty when decisions come in clusters: those of one participant, and those on one pair.

An estimate is, near its truth, a sum of one `score` per decision. Two-way cluster-robust variance (Cameron,
Gelbach and Miller, 2011): V = V(participants) + V(pairs) - V(decisions), where each V sums the squares of the
cluster totals. Pairs never make an interval shorter: their share counts only where it is above 0. V of the
participants carries n/(n - 1) within each arm, what pairs add carries it over all, and the t quantile has the
degrees of freedom of Welch and Satterthwaite: without these, intervals of small studies are too short
(docs/statistics.md).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.proportions import Floats

ROUNDING: Final = 1e-12
"""Of the variance that independent decisions would have: less is nothing."""

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Spread:
    """The variance of an estimate and what it may be trusted with."""

    variance: float
    df: float
    """Degrees of freedom for a t quantile; 0 when there are too few participants to tell."""

    @property
    def se(self) -> float:
        return float(np.sqrt(self.variance))


def totals(codes: Codes, scores: Floats) -> Floats:
    """The sum of the scores of each cluster."""
    return np.asarray(np.bincount(codes, weights=scores), dtype=np.float64)


def spread(scores: Floats, *, participant: Codes, item: Codes, arm: Codes) -> Spread:
    """Two-way cluster-robust variance of an estimate.

    scores : (N,) what each decision adds to the estimate
    participant, item, arm : (N,) codes from 0; an item is a pair, or a single image
    """
    people, people_df = _of_participants(scores, participant, arm)
    pairs, pairs_df = _of_pairs(scores, item)
    variance = people + pairs
    if variance < ROUNDING * float((scores**2).sum()):
        variance = 0.0  # clusters are all alike: what is left of their totals is how floats round
    if people_df <= 0 or variance <= 0:
        return Spread(variance, max(people_df, 0.0))
    return Spread(variance, variance**2 / (people**2 / people_df + pairs**2 / pairs_df))


def _of_participants(scores: Floats, participant: Codes, arm: Codes) -> tuple[float, float]:
    """Welch's variance of independent arms. Somebody in two arms ties them together: then of all."""
    first = np.full(int(participant.max(initial=-1)) + 1, -1, dtype=np.intp)
    first[participant] = arm
    nested = bool((first[participant] == arm).all())
    home = first if nested else np.zeros_like(first)
    sums = totals(participant, scores)
    parts, spent = 0.0, 0.0
    for one in np.unique(home[first >= 0]):
        own = sums[(home == one) & (first >= 0)]
        if not own.any():
            continue  # an arm that the estimate does not depend on
        if len(own) < 2:
            return float((own**2).sum()), 0.0
        part = float((own**2).sum()) * len(own) / (len(own) - 1)
        parts, spent = parts + part, spent + part**2 / (len(own) - 1)
    return parts, (parts**2 / spent if spent else 0.0)


def _of_pairs(scores: Floats, item: Codes) -> tuple[float, float]:
    """What pairs add to the variance of independent decisions, at least 0, and its degrees of freedom."""
    sums = totals(item, scores)
    n = int(np.count_nonzero(np.bincount(item)))
    if n < 2:
        return 0.0, 1.0
    excess = float((sums**2).sum() - (scores**2).sum()) * n / (n - 1)
    return max(0.0, excess), float(n - 1)


def codes(values: Any) -> Codes:
    """A number from 0 for each different value, in order of appearance."""
    import pandas as pd

    return np.asarray(pd.factorize(np.asarray(values))[0], dtype=np.intp)
