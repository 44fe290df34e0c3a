"""Uncertainty when decisions come in clusters: those of one participant, and those on one pair.

Near the truth, an estimate is a sum of one `score` per decision. Two-way cluster-robust variance (Cameron,
Gelbach and Miller, 2011): V = V(participants) + V(pairs) - V(decisions), where each V sums the squares of the
cluster totals. Here the pairs never make an interval shorter: V(pairs) - V(decisions) counts only where it is
above 0. V(participants) carries n/(n - 1) within each arm, what the pairs add carries it over all pairs, and
the t quantile has the degrees of freedom of Welch and Satterthwaite. Without these corrections the intervals
of small studies are too short (docs/statistics.md).
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.intervals import Floats, Interval, t_interval

ROUNDING: Final = 1e-12
"""Share of the variance of independent decisions below which a variance is the rounding of floats."""

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ClusteredSample:
    """Decisions of one arm, or of two that are compared: arm 1 with arm 0. Everything has shape (N,)."""

    correct: Floats
    """1 or 0."""
    participant: Codes
    """A number from 0 for each participant."""
    item: Codes
    """A number from 0 for each pair, or for each image of a single-image design."""
    arm: Codes
    """0 or 1."""

    def of_arm(self, arm: int) -> "ClusteredSample":
        """The decisions of one arm."""
        chosen = self.arm == arm
        return ClusteredSample(
            self.correct[chosen], self.participant[chosen], self.item[chosen], self.arm[chosen]
        )

    def pooled(self) -> "ClusteredSample":
        """The same decisions as those of a single arm."""
        return replace(self, arm=np.zeros_like(self.arm))

    @property
    def participants(self) -> int:
        """How many participants decided."""
        return len(np.unique(self.participant))


@dataclass(frozen=True, slots=True)
class ClusterVariance:
    """The variance of an estimate and its degrees of freedom."""

    variance: float
    df: float
    """For a t quantile; 0 where an arm has fewer than two participants."""

    @property
    def se(self) -> float:
        return float(np.sqrt(self.variance))


def clustered_interval(value: float, scores: Floats, sample: ClusteredSample) -> Interval:
    """A t interval for other participants and other pairs, and a test against 0.

    scores : (N,) what each decision of the sample adds to the estimate; they sum to 0
    """
    spread = cluster_variance(scores, participant=sample.participant, item=sample.item, arm=sample.arm)
    return t_interval(value, spread.se, spread.df)


def cluster_variance(scores: Floats, *, participant: Codes, item: Codes, arm: Codes) -> ClusterVariance:
    """Two-way cluster-robust variance of an estimate; see the module.

    scores : (N,) what each decision adds to the estimate
    participant, item, arm : (N,) codes from 0
    """
    of_participants, participants_df = _of_participants(scores, participant, arm)
    of_pairs, pairs_df = _of_pairs(scores, item)
    variance = of_participants + of_pairs
    if variance < ROUNDING * float((scores**2).sum()):
        variance = 0.0  # all clusters are alike: what is left of their totals is rounding
    if participants_df <= 0 or variance <= 0:
        return ClusterVariance(variance, max(participants_df, 0.0))
    df = variance**2 / (of_participants**2 / participants_df + of_pairs**2 / pairs_df)
    return ClusterVariance(variance, df)


def cluster_totals(codes: Codes, scores: Floats) -> Floats:
    """(K,) the sum of the scores of each cluster."""
    return np.asarray(np.bincount(codes, weights=scores), dtype=np.float64)


def _of_participants(scores: Floats, participant: Codes, arm: Codes) -> tuple[float, float]:
    """Welch's variance of independent arms and its degrees of freedom.

    Where somebody decided in two arms, the arms depend on each other and count as one.
    """
    arm_of = np.full(int(participant.max(initial=-1)) + 1, -1, dtype=np.intp)  # of each participant
    arm_of[participant] = arm
    nested = bool((arm_of[participant] == arm).all())
    group_of = arm_of if nested else np.zeros_like(arm_of)
    totals = cluster_totals(participant, scores)
    variance, squares_over_df = 0.0, 0.0
    for group in np.unique(group_of[arm_of >= 0]):
        in_group = totals[(group_of == group) & (arm_of >= 0)]
        if not in_group.any():
            continue  # the estimate does not depend on this arm
        if len(in_group) < 2:
            return float((in_group**2).sum()), 0.0
        part = float((in_group**2).sum()) * len(in_group) / (len(in_group) - 1)
        variance, squares_over_df = variance + part, squares_over_df + part**2 / (len(in_group) - 1)
    return variance, (variance**2 / squares_over_df if squares_over_df else 0.0)


def _of_pairs(scores: Floats, item: Codes) -> tuple[float, float]:
    """What the pairs add to the variance of independent decisions, at least 0, and its degrees of freedom."""
    totals = cluster_totals(item, scores)
    n = int(np.count_nonzero(np.bincount(item)))
    if n < 2:
        return 0.0, 1.0
    excess = float((totals**2).sum() - (scores**2).sum()) * n / (n - 1)
    return max(0.0, excess), float(n - 1)


def codes(values: Any) -> Codes:
    """(N,) a number from 0 for each different value, in order of appearance; -1 for a missing one."""
    import pandas as pd

    return np.asarray(pd.factorize(np.asarray(values))[0], dtype=np.intp)
