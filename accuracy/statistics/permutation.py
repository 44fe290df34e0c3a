"""The permutation test of a difference between two arms, for the pairs of the study."""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Final

import numpy as np

from accuracy.statistics.clusters import ClusteredSample
from accuracy.statistics.intervals import Floats
from accuracy.statistics.resampling import AT_A_TIME, participant_totals, share_and_variance

PERMUTATIONS: Final = 9_999
PERMUTATIONS_OF_MANY: Final = 1_999
MANY: Final = 2_000  # participants
MOST_EXACT: Final = 20_000
"""Up to so many ways to assign participants to two arms, all are tried; of more, random ones."""


@dataclass(frozen=True, slots=True)
class PermutationTest:
    """A two-sided test of no difference; `exact` where all `permutations` that exist were tried."""

    p: float
    permutations: int
    exact: bool


def permutation_test(sample: ClusteredSample, *, seed: int = 0) -> PermutationTest | None:
    """How often a random assignment of the same participants to the arms gives a t at least as far from 0.

    The t statistic is Welch's, so the test holds for arms of unequal spread too (Janssen, 1997). Random
    permutations count the observed one among them. None below two participants in an arm, or when nothing
    varies.
    """
    arms = participant_totals(sample, 1), participant_totals(sample, 0)
    sizes = [len(arm) for arm in arms]
    if min(sizes) < 2:
        return None
    moments = np.concatenate([arm.moments for arm in arms])
    observed = _welch_t(moments[None, : sizes[0]].sum(axis=1), moments.sum(axis=0), sizes)[0]
    if not np.isfinite(observed):
        return None
    possible = comb(sum(sizes), sizes[0])
    exact = possible <= MOST_EXACT
    number = PERMUTATIONS if sum(sizes) <= MANY else PERMUTATIONS_OF_MANY
    sums = _all_sums(moments, sizes[0]) if exact else _random_sums(moments, sizes[0], number, seed)
    t = np.abs(_welch_t(sums, moments.sum(axis=0), sizes))
    as_far = int((np.nan_to_num(t, nan=np.inf) >= abs(observed) - 1e-9).sum())
    return (
        PermutationTest(as_far / possible, possible, exact=True)
        if exact
        else PermutationTest((as_far + 1) / (number + 1), number, exact=False)
    )


def _welch_t(ones: Floats, everyone: Floats, sizes: list[int]) -> Floats:
    """Welch's t of arm 1, with sums of moments (..., 5), against the rest."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share_1, variance_1 = share_and_variance(ones, sizes[0])
        share_0, variance_0 = share_and_variance(everyone - ones, sizes[1])
        return np.asarray((share_1 - share_0) / np.sqrt(variance_1 + variance_0))


def _all_sums(moments: Floats, size: int) -> Floats:
    """(permutations, 5) sums of moments of every choice of `size` participants."""
    chosen = np.array(list(combinations(range(len(moments)), size)), dtype=np.intp)
    return np.asarray(moments[chosen].sum(axis=1))


def _random_sums(moments: Floats, size: int, number: int, seed: int) -> Floats:
    """(number, 5) sums of moments of random choices of `size` participants."""
    rng = np.random.default_rng(seed)
    part = max(1, AT_A_TIME // len(moments))
    sums = []
    for start in range(0, number, part):
        # The participants with the smallest of so many random keys are a random choice.
        keys = rng.random((min(part, number - start), len(moments)), dtype=np.float32)
        chosen = np.argpartition(keys, size - 1, axis=1)[:, :size]
        sums.append(np.stack([column[chosen].sum(axis=1) for column in moments.T], axis=1))
    return np.concatenate(sums)
