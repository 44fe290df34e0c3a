"""Signal detection: d′ and criterion from shares of answers, with their intervals.

Both are weighted sums of normal quantiles of shares. By the delta method (Gourevitch and Galanter, 1967) each
decision adds to them in proportion to what it adds to its share, so the variance over participants and pairs
is that of `clusters`, as it is for a difference of shares.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from accuracy.statistics.clusters import ClusteredSample, clustered_interval
from accuracy.statistics.intervals import UNDEFINED, Floats, Interval
from accuracy.statistics.proportions import bounded_share


@dataclass(frozen=True, slots=True)
class AnswerShare:
    """How often an answer was given, among the decisions that count for it."""

    given: Floats
    """(N,) 1 where the answer was given, otherwise 0."""
    counted: Floats
    """(N,) 1 where the decision counts, otherwise 0."""

    @property
    def total(self) -> float:
        """Decisions that count."""
        return float(self.counted.sum())

    @property
    def is_certain(self) -> bool:
        """Whether the answer was always given, or never: then the share has no spread of its own."""
        return float(self.given @ self.counted) in (0.0, self.total)

    def z(self) -> tuple[float, Floats]:
        """Normal quantile of the share, moved off 0 and 1 (`bounded_share`), and what each decision adds to
        it, (N,). NaN below 2 decisions."""
        count, total = float(self.given @ self.counted), self.total
        z = float(ndtri(bounded_share(count, total)))
        density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
        return z, self.counted * (self.given - count / total) / (total * density)


@dataclass(frozen=True, slots=True)
class DetectionMeasure:
    """A d′ or a criterion, and what each decision adds to it, (N,).

    `scores` is None where a share is 0 or 1: then the value is a bound and has no interval.
    """

    value: float
    scores: Floats | None


def weighted_z(*parts: tuple[float, AnswerShare]) -> DetectionMeasure | None:
    """Sum of weight · z of each share.

    None where a share has fewer than 2 decisions: moved off 0 and 1, it would be one half for any answer.
    """
    if any(share.total < 2 for _, share in parts):
        return None
    terms = [(weight, *share.z()) for weight, share in parts]
    value = sum(weight * z for weight, z, _ in terms)
    if any(share.is_certain for _, share in parts):
        return DetectionMeasure(value, None)
    return DetectionMeasure(value, np.sum([weight * scores for weight, _, scores in terms], axis=0))


def dprime_forced_choice(correct: Floats) -> DetectionMeasure | None:
    """d′ = √2 · Φ⁻¹(share correct) of two-alternative forced choices, for an observer without side bias
    (Macmillan and Creelman, 2005). `correct` is (N,) of 0 and 1."""
    return weighted_z((float(np.sqrt(2)), AnswerShare(correct, np.ones(len(correct)))))


def dprime_yes_no(hits: AnswerShare, false_alarms: AnswerShare) -> DetectionMeasure | None:
    """d′ = z(hits) − z(false alarms) of single images."""
    return weighted_z((1.0, hits), (-1.0, false_alarms))


def criterion(hits: AnswerShare, false_alarms: AnswerShare) -> DetectionMeasure | None:
    """c = −(z(hits) + z(false alarms))/2; above 0, "yes" is said less often than without a bias."""
    return weighted_z((-0.5, hits), (-0.5, false_alarms))


def detection_interval(measure: DetectionMeasure | None, sample: ClusteredSample) -> Interval:
    """A t interval for other participants and other pairs, without a test; the value alone for a bound."""
    if measure is None:
        return UNDEFINED
    if measure.scores is None:
        return Interval(measure.value)
    tested = clustered_interval(measure.value, measure.scores, sample)
    return Interval(tested.value, tested.low, tested.high, se=tested.se, df=tested.df)


def detection_difference(
    arm_1: DetectionMeasure | None, arm_0: DetectionMeasure | None, sample: ClusteredSample
) -> Interval:
    """A measure of arm 1 minus that of arm 0; each is of the decisions of its arm, in their order."""
    if arm_1 is None or arm_0 is None:
        return UNDEFINED
    if arm_1.scores is None or arm_0.scores is None:
        return Interval(arm_1.value - arm_0.value)
    scores = np.empty(len(sample.arm))
    scores[sample.arm == 1], scores[sample.arm == 0] = arm_1.scores, -arm_0.scores
    return detection_interval(DetectionMeasure(arm_1.value - arm_0.value, scores), sample)
