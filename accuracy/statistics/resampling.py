"""The bootstrap over participants: a difference between two arms for the pairs of the study."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from accuracy.statistics.clusters import ClusteredSample, cluster_totals
from accuracy.statistics.intervals import CONFIDENCE, UNDEFINED, Floats, Interval

RESAMPLES: Final = 4_000
AT_A_TIME: Final = 2_000_000  # participants drawn at once: 16 MB for each table of them


@dataclass(frozen=True, slots=True)
class ParticipantTotals:
    """Correct and all decisions of every participant of one arm, shape (P,)."""

    correct: Floats
    decisions: Floats

    def __len__(self) -> int:
        return len(self.decisions)

    @property
    def moments(self) -> Floats:
        """(P, 5) what sums over participants need: k, n, k², kn, n², of k correct decisions of n."""
        k, n = self.correct, self.decisions
        return np.stack([k, n, k * k, k * n, n * n], axis=1)


def participant_totals(sample: ClusteredSample, arm: int) -> ParticipantTotals:
    """What each participant of an arm decided."""
    of_arm = sample.of_arm(arm)
    decisions = cluster_totals(of_arm.participant, np.ones(len(of_arm.correct)))
    present = decisions > 0
    return ParticipantTotals(cluster_totals(of_arm.participant, of_arm.correct)[present], decisions[present])


def share_and_variance(sums: Floats, participants: int) -> tuple[Floats, Floats]:
    """Share correct and its variance over participants, from sums of `moments`, shape (..., 5)."""
    k, n, kk, kn, nn = np.moveaxis(sums, -1, 0)
    share = k / n
    squares = np.maximum(kk - 2 * share * kn + share**2 * nn, 0.0)
    return share, squares / n**2 * participants / (participants - 1)


def bootstrap_difference(sample: ClusteredSample, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Share correct of arm 1 minus that of arm 0, with the bootstrap-t interval (Efron, 1981).

    Participants are drawn with replacement within each arm, the pairs stay as they are: the interval holds
    for these pairs. (A percentile interval would be too short for few participants.) Undefined below two
    participants in an arm; the value alone when nothing varies.
    """
    arms = participant_totals(sample, 1), participant_totals(sample, 0)
    if min(map(len, arms)) < 2:
        return UNDEFINED
    rng = np.random.default_rng(seed)
    (share_1, variance_1), (share_0, variance_0) = (
        share_and_variance(arm.moments.sum(axis=0), len(arm)) for arm in arms
    )
    value, se = float(share_1 - share_0), float(np.sqrt(variance_1 + variance_0))
    if se < 1e-9:
        return Interval(value)
    (share_1, variance_1), (share_0, variance_0) = (
        share_and_variance(_resampled(arm, resamples, rng), len(arm)) for arm in arms
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (share_1 - share_0 - value) / np.sqrt(variance_1 + variance_0)
    low, high = np.quantile(t[np.isfinite(t)], [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return Interval(value, value - float(high) * se, value - float(low) * se, se=se)


def _resampled(arm: ParticipantTotals, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples, 5) sums of moments over as many participants, drawn with replacement."""
    size, moments = len(arm), arm.moments
    part = max(1, AT_A_TIME // size)
    sums = [
        np.stack([column[drawn].sum(axis=1) for column in moments.T], axis=1)
        for start in range(0, resamples, part)
        for drawn in [rng.integers(0, size, (min(part, resamples - start), size))]
    ]
    return np.concatenate(sums)
