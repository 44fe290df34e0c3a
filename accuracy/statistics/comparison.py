"""The difference between two arms: an interval, an interval by resampling, and a test by reshuffling."""

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Final

import numpy as np
from scipy import stats

from accuracy.statistics.clusters import Codes, Spread, spread, totals
from accuracy.statistics.proportions import CONFIDENCE, Floats, quantile, wilson

RESAMPLES: Final = 4_000
RESHUFFLES: Final = 9_999
RESHUFFLES_OF_MANY: Final = 1_999
MANY: Final = 2_000  # participants
MOST_EXACT: Final = 20_000
"""So many ways to deal participants to two arms are all tried; more are drawn at random."""

AT_A_TIME: Final = 2_000_000  # participants drawn at once: 16 MB for each table of them


@dataclass(frozen=True, slots=True)
class Sample:
    """Decisions of one comparison as codes, shape (N,) each; arm 1 is compared with arm 0."""

    correct: Floats
    participant: Codes
    item: Codes
    arm: Codes

    def of(self, arm: int) -> "Sample":
        chosen = self.arm == arm
        return Sample(self.correct[chosen], self.participant[chosen], self.item[chosen], self.arm[chosen])


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval; None where it cannot be told. `p` is two-sided, against no effect."""

    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    se: float | None = None
    df: float = np.inf


UNKNOWN: Final = Interval(None)


def around(value: float, found: Spread, *, null: float = 0.0) -> Interval:
    """A t interval and test; the value alone when its spread is unknown or nothing varied."""
    if found.df <= 0 or found.variance <= 0 or not np.isfinite(found.se):
        return Interval(value)
    reach = quantile(found.df) * found.se
    p = 2 * float(stats.t.sf(abs(value - null) / found.se, found.df))
    return Interval(value, value - reach, value + reach, p, found.se, found.df)


def accuracy(sample: Sample) -> Interval:
    """Share of correct decisions; Wilson interval at the effective number of decisions.

    That number is p(1 - p)/V with V over participants and pairs, at most the number itself; with nothing but
    correct (or wrong) decisions, or participants who are all alike, it is the number of participants. Unknown
    for no decision.
    """
    n = len(sample.correct)
    if not n:
        return UNKNOWN
    share = float(sample.correct.mean())
    people = len(np.unique(sample.participant))
    found = _spread_of_share(sample)
    if people < 2 and 0 < share < 1:
        return Interval(share)
    if found.variance <= 0:
        low, high = wilson(share, people)
        return Interval(share, low, high)
    if found.df <= 0:
        return Interval(share)
    effective = min(float(n), share * (1 - share) / found.variance)
    low, high = wilson(share, effective, df=found.df)
    return Interval(share, low, high, se=found.se)


def _spread_of_share(sample: Sample) -> Spread:
    scores = (sample.correct - sample.correct.mean()) / len(sample.correct)
    return spread(scores, participant=sample.participant, item=sample.item, arm=np.zeros_like(sample.arm))


def difference(sample: Sample) -> Interval:
    """Accuracy of arm 1 minus arm 0; both participants and pairs are samples of many.

    An arm with nothing but correct (or wrong) decisions shows no spread of its own: then the interval is
    Newcombe's (1998), of the two arms' Wilson intervals at the number of participants, and there is no p.
    Unknown when an arm has no decision.
    """
    one, zero = sample.of(1), sample.of(0)
    if not len(one.correct) or not len(zero.correct):
        return UNKNOWN
    value = float(one.correct.mean() - zero.correct.mean())
    if {0.0, 1.0} & {one.correct.mean(), zero.correct.mean()}:
        return _newcombe(value, accuracy_at_participants(one), accuracy_at_participants(zero))
    found = spread(_scores(sample), participant=sample.participant, item=sample.item, arm=sample.arm)
    return around(value, found)


def accuracy_at_participants(sample: Sample) -> tuple[float, float, float]:
    """Share of correct decisions and the Wilson interval it would have if each participant decided once."""
    share = float(sample.correct.mean())
    return (share, *wilson(share, len(np.unique(sample.participant))))


def _newcombe(value: float, one: tuple[float, ...], zero: tuple[float, ...]) -> Interval:
    low = value - np.hypot(one[0] - one[1], zero[2] - zero[0])
    high = value + np.hypot(one[2] - one[0], zero[0] - zero[1])
    return Interval(value, float(low), float(high))


def _scores(sample: Sample, *, odds: bool = False) -> Floats:
    """What each decision adds to the difference (of log odds)."""
    scores = np.empty(len(sample.correct))
    for arm, sign in ((1, 1.0), (0, -1.0)):
        chosen = sample.arm == arm
        own = sample.correct[chosen]
        share = own.mean()
        scale = share * (1 - share) if odds else 1.0
        scores[chosen] = sign * (own - share) / (len(own) * scale)
    return scores


def log_odds_ratio(sample: Sample) -> Interval:
    """Log odds ratio of arm 1 against arm 0: a logistic model of the arm, by estimating equations (GEE with
    independence) and errors clustered by participants and pairs. Unknown when an arm has no error or nothing
    but errors (separation)."""
    shares = [sample.of(arm).correct.mean() if (sample.arm == arm).any() else 0.0 for arm in (1, 0)]
    if any(share in (0.0, 1.0) for share in shares):
        return UNKNOWN
    value = float(np.subtract(*[np.log(share / (1 - share)) for share in shares]))
    scores = _scores(sample, odds=True)
    return around(value, spread(scores, participant=sample.participant, item=sample.item, arm=sample.arm))


@dataclass(frozen=True, slots=True)
class People:
    """Correct and all decisions of every participant of one arm, shape (P,)."""

    correct: Floats
    total: Floats

    @property
    def moments(self) -> Floats:
        """(P, 5) what sums over participants need: k, n, k², kn, n²."""
        k, n = self.correct, self.total
        return np.stack([k, n, k * k, k * n, n * n], axis=1)


def people(sample: Sample, arm: int) -> People:
    own = sample.of(arm)
    total = totals(own.participant, np.ones(len(own.correct)))
    there = total > 0
    return People(totals(own.participant, own.correct)[there], total[there])


def _share_and_variance(sums: Floats, participants: int) -> tuple[Floats, Floats]:
    """Share correct and its variance over participants, from sums of `moments`, shape (..., 5)."""
    k, n, kk, kn, nn = np.moveaxis(sums, -1, 0)
    share = k / n
    squares = np.maximum(kk - 2 * share * kn + share**2 * nn, 0.0)
    return share, squares / n**2 * participants / (participants - 1)


def bootstrap_difference(sample: Sample, *, seed: int = 0, resamples: int = RESAMPLES) -> Interval:
    """Difference with the bootstrap-t interval (Efron, 1981): participants drawn again within each arm.

    The pairs stay as they are: it speaks of these pairs. A percentile interval would be too short for few
    participants. Unknown below 2 participants in an arm or when nothing varies.
    """
    arms = people(sample, 1), people(sample, 0)
    if min(len(arm.total) for arm in arms) < 2:
        return UNKNOWN
    rng = np.random.default_rng(seed)
    (one, one_v), (zero, zero_v) = (
        _share_and_variance(arm.moments.sum(axis=0), len(arm.total)) for arm in arms
    )
    value, se = float(one - zero), float(np.sqrt(one_v + zero_v))
    if se < 1e-9:
        return Interval(value)
    (one, one_v), (zero, zero_v) = (
        _share_and_variance(_resampled(arm, resamples, rng), len(arm.total)) for arm in arms
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (one - zero - value) / np.sqrt(one_v + zero_v)
    low, high = np.quantile(t[np.isfinite(t)], [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return Interval(value, value - float(high) * se, value - float(low) * se, se=se)


def _resampled(arm: People, resamples: int, rng: np.random.Generator) -> Floats:
    """(resamples, 5) sums of moments over as many participants, drawn with replacement."""
    size = len(arm.total)
    moments = arm.moments
    part = max(1, AT_A_TIME // size)
    sums = [
        np.stack([column[drawn].sum(axis=1) for column in moments.T], axis=1)
        for start in range(0, resamples, part)
        for drawn in [rng.integers(0, size, (min(part, resamples - start), size))]
    ]
    return np.concatenate(sums)


@dataclass(frozen=True, slots=True)
class Permutation:
    """A test of no difference for these pairs; `exact` when every way to deal out the arms was tried."""

    p: float
    ways: int
    exact: bool


def permutation_test(sample: Sample, *, seed: int = 0) -> Permutation | None:
    """How often dealing the same participants to the arms anew gives a t as far from 0 as the one seen.

    The t statistic makes it hold for arms of unequal spread too (Janssen, 1997). Drawn reshuffles count the
    one seen among them. None below 2 participants in an arm or when nothing varies.
    """
    arms = people(sample, 1), people(sample, 0)
    sizes = [len(arm.total) for arm in arms]
    if min(sizes) < 2:
        return None
    moments = np.concatenate([arm.moments for arm in arms])
    seen = _t(moments[None, : sizes[0]].sum(axis=1), moments.sum(axis=0), sizes)[0]
    if not np.isfinite(seen):
        return None
    ways = comb(sum(sizes), sizes[0])
    exact = ways <= MOST_EXACT
    reshuffles = RESHUFFLES if sum(sizes) <= MANY else RESHUFFLES_OF_MANY
    drawn = _every_way(moments, sizes[0]) if exact else _some_ways(moments, sizes[0], reshuffles, seed)
    t = np.abs(_t(drawn, moments.sum(axis=0), sizes))
    as_far = int((np.nan_to_num(t, nan=np.inf) >= abs(seen) - 1e-9).sum())
    return (
        Permutation(as_far / ways, ways, exact=True)
        if exact
        else Permutation((as_far + 1) / (reshuffles + 1), reshuffles, exact=False)
    )


def _t(ones: Floats, everyone: Floats, sizes: list[int]) -> Floats:
    """Welch's t of arm 1, with sums of moments (..., 5), against the rest."""
    with np.errstate(divide="ignore", invalid="ignore"):
        one, one_v = _share_and_variance(ones, sizes[0])
        zero, zero_v = _share_and_variance(everyone - ones, sizes[1])
        return np.asarray((one - zero) / np.sqrt(one_v + zero_v))


def _every_way(moments: Floats, size: int) -> Floats:
    chosen = np.array(list(combinations(range(len(moments)), size)), dtype=np.intp)
    return np.asarray(moments[chosen].sum(axis=1))


def _some_ways(moments: Floats, size: int, reshuffles: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    part = max(1, AT_A_TIME // len(moments))
    sums = []
    for start in range(0, reshuffles, part):
        keys = rng.random((min(part, reshuffles - start), len(moments)), dtype=np.float32)
        chosen = np.argpartition(keys, size - 1, axis=1)[:, :size]
        sums.append(np.stack([column[chosen].sum(axis=1) for column in moments.T], axis=1))
    return np.concatenate(sums)


def mean(values: Floats, sample: Sample) -> Interval:
    """Mean of `values`, shape (N,) as the sample; unknown for none."""
    if not len(values):
        return UNKNOWN
    scores = (values - values.mean()) / len(values)
    alone = np.zeros_like(sample.arm)
    return around(
        float(values.mean()), spread(scores, participant=sample.participant, item=sample.item, arm=alone)
    )


def mean_difference(values: Floats, sample: Sample) -> Interval:
    """Mean of `values` in arm 1 minus that in arm 0; unknown when an arm has none."""
    ones = sample.arm == 1
    if not ones.any() or ones.all():
        return UNKNOWN
    means = np.where(ones, values[ones].mean(), values[~ones].mean())
    scores = (values - means) * np.where(ones, 1 / ones.sum(), -1 / (~ones).sum())
    value = float(values[ones].mean() - values[~ones].mean())
    found = spread(scores, participant=sample.participant, item=sample.item, arm=sample.arm)
    return around(value, found)


def minimum_detectable(se: float, df: float, *, power: float = 0.8) -> float:
    """The smallest true difference that a study with this standard error finds with probability `power`."""
    return float((quantile(df) + stats.t.ppf(power, df)) * se)
