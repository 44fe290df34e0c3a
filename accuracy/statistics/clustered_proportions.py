"""Shares of correct decisions, and their difference between two arms, when decisions come in clusters."""

import numpy as np

from accuracy.statistics.clusters import ClusteredSample, cluster_variance, clustered_interval
from accuracy.statistics.intervals import UNDEFINED, Floats, Interval
from accuracy.statistics.proportions import newcombe, wilson


def clustered_proportion(sample: ClusteredSample) -> Interval:
    """Share of correct decisions; Wilson interval at the effective number of decisions.

    That number is p(1 - p)/V with V over participants and pairs, at most the number itself. Where all
    decisions are correct, or wrong, or all participants are alike, it is the number of participants.
    Undefined for no decision; the value alone for one participant who is right in part.
    """
    n = len(sample.correct)
    if not n:
        return UNDEFINED
    share = float(sample.correct.mean())
    if sample.participants < 2 and 0 < share < 1:
        return Interval(share)
    scores, alone = (sample.correct - sample.correct.mean()) / n, sample.pooled()
    spread = cluster_variance(scores, participant=alone.participant, item=alone.item, arm=alone.arm)
    if spread.variance <= 0:
        return Interval(share, *wilson(share, sample.participants))
    if spread.df <= 0:
        return Interval(share)
    effective = min(float(n), share * (1 - share) / spread.variance)
    return Interval(share, *wilson(share, effective, df=spread.df), se=spread.se)


def clustered_difference(sample: ClusteredSample) -> Interval:
    """Share correct of arm 1 minus that of arm 0, for other participants and other pairs.

    An arm with nothing but correct (or wrong) decisions has no spread of its own: then the interval is
    Newcombe's (1998) at the numbers of participants, without a p. Undefined where an arm has no decision.
    """
    arm_1, arm_0 = sample.of_arm(1), sample.of_arm(0)
    if not len(arm_1.correct) or not len(arm_0.correct):
        return UNDEFINED
    rates = float(arm_1.correct.mean()), float(arm_0.correct.mean())
    if {0.0, 1.0} & {*rates}:
        return newcombe(rates, (arm_1.participants, arm_0.participants))
    return clustered_interval(rates[0] - rates[1], difference_scores(sample), sample)


def difference_scores(sample: ClusteredSample, *, log_odds: bool = False) -> Floats:
    """(N,) what each decision adds to the difference of shares, or of their log odds."""
    scores = np.empty(len(sample.correct))
    for arm, sign in ((1, 1.0), (0, -1.0)):
        chosen = sample.arm == arm
        correct = sample.correct[chosen]
        share = correct.mean()
        scale = share * (1 - share) if log_odds else 1.0
        scores[chosen] = sign * (correct - share) / (len(correct) * scale)
    return scores


def clustered_log_odds_ratio(sample: ClusteredSample) -> Interval:
    """Log odds ratio of arm 1 against arm 0: a logistic model of the arm by estimating equations (GEE with
    independence), with errors clustered by participants and pairs.

    Undefined where an arm has no decision, no error, or nothing but errors (separation).
    """
    shares = [sample.of_arm(arm).correct.mean() if (sample.arm == arm).any() else 0.0 for arm in (1, 0)]
    if any(share in (0.0, 1.0) for share in shares):
        return UNDEFINED
    value = float(np.subtract(*[np.log(share / (1 - share)) for share in shares]))
    return clustered_interval(value, difference_scores(sample, log_odds=True), sample)
