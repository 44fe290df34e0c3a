"""How well scores rank fakes above real images: ROC, AUC, equal error rate, operating points.

`scores` are (N,) and finite, higher means fake; `fake` is (N,) bool. One sort gives a `Ranking`, from which
every number here follows. A set with one class only has none of them: they are None.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit, ndtri

from accuracy.statistics.intervals import Floats

Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
Roc = tuple[Floats, Floats]
"""False and true positive rates at every threshold, from (0, 0) to (1, 1)."""

FPR_POINTS: Final = (0.1, 0.01, 0.005, 0.001)
BPCER_POINTS: Final = (0.01, 0.05, 0.1)


@dataclass(frozen=True, slots=True)
class Ranking:
    """For each of G scores, the highest first: how many images of either class score at least as high."""

    fakes: Counts  # (G,)
    reals: Counts  # (G,)
    precision_sum: float
    """Sum over the fakes of the share of fakes among all images that score at least as high."""

    @classmethod
    def of(cls, scores: ArrayLike, fake: ArrayLike) -> Self:
        """The ranking of scores in any order; ValueError if one is not finite."""
        values, flags = checked_scores(scores, fake)
        order = np.argsort(-values)
        return cls.of_sorted(values[order], flags[order])

    @classmethod
    def of_sorted(cls, scores: Floats, fake: Flags) -> Self:
        """The ranking of scores in order, the highest first."""
        last_of_tie = np.flatnonzero(np.append(np.diff(scores) != 0, [True] * (len(scores) > 0)))
        fakes = np.cumsum(fake, dtype=np.int64)[last_of_tie]
        return cls(fakes, last_of_tie + 1 - fakes, _precision_sum(fakes, last_of_tie))

    @classmethod
    def merged(cls, scores: Floats, fake: Flags) -> Self:
        """The ranking of sorted scores, with neighbours of one class as one entry: every number here is the
        same, and there are fewer entries. The ROC curve lacks the points in the middle of straight lines.

        scores, fake : in order, the highest score first
        """
        if not len(scores):
            return cls.of_sorted(scores, fake)
        found = np.cumsum(fake, dtype=np.int64)
        tied, changes = scores[1:] == scores[:-1], fake[1:] != fake[:-1]
        ends = changes & ~tied
        if len(mixed := np.flatnonzero(changes & tied)):
            # Scores that both classes have stand alone: they end, and so does the score above.
            last_of_tie = np.flatnonzero(~tied)
            group = np.searchsorted(last_of_tie, mixed)
            ends[last_of_tie[group[group < len(last_of_tie)]]] = True
            ends[last_of_tie[group[group > 0] - 1]] = True
        last = np.append(np.flatnonzero(ends), len(scores) - 1)
        fakes, single = found[last], np.append(np.flatnonzero(~tied), len(scores) - 1)
        return cls(fakes, last + 1 - fakes, _precision_sum(found[single], single))

    @property
    def totals(self) -> tuple[int, int]:
        """All fakes, all reals."""
        return (int(self.fakes[-1]), int(self.reals[-1])) if len(self.fakes) else (0, 0)

    def each(self) -> tuple[Floats, Floats]:
        """(G,) fakes and reals of each score; as floating-point numbers, whose products are quick."""
        return np.diff(self.fakes, prepend=0).astype(float), np.diff(self.reals, prepend=0).astype(float)


def _precision_sum(fakes: Counts, last: Counts) -> float:
    """The sum of `Ranking.precision_sum`.

    fakes : (G,) fakes that score at least as high as each score
    last : (G,) position of the last image of each score
    """
    return float((np.diff(fakes, prepend=0) * (fakes / (last + 1))).sum())


def average_precision(ranking: Ranking) -> float | None:
    """Mean over the fakes of the precision at their score, equal scores taken at once: the area under the
    steps of precision over recall, without interpolation. None where a class is missing."""
    positives, negatives = ranking.totals
    return ranking.precision_sum / positives if positives and negatives else None


def average_precision_interval(ranking: Ranking) -> tuple[float, float] | None:
    """The 95 % logit interval of an average precision (Boyd, Eng and Page, 2013); None where there is none or
    it is 1."""
    value, (positives, _) = average_precision(ranking), ranking.totals
    if value is None or value >= 1:
        return None
    middle, half_width = logit(value), ndtri(0.975) / np.sqrt(positives * value * (1 - value))
    return float(expit(middle - half_width)), float(expit(middle + half_width))


def auc(ranking: Ranking) -> float | None:
    """Area under the ROC curve: how often a random fake outscores a random real, ties counting half."""
    positives, negatives = ranking.totals
    if not positives or not negatives:
        return None
    fakes, reals = ranking.each()
    outscored = (negatives - ranking.reals) + reals / 2
    return float((fakes * outscored).sum() / (positives * negatives))  # a sum of halves: exact


def roc(ranking: Ranking) -> Roc | None:
    """The ROC curve."""
    positives, negatives = ranking.totals
    if not positives or not negatives:
        return None
    return np.append(0.0, ranking.reals / negatives), np.append(0.0, ranking.fakes / positives)


def operating_points(curve: Roc | None) -> dict[str, float | None]:
    """`eer`, `tpr_at_fpr_…` and `apcer_at_bpcer_…`, by these names."""
    return {
        "eer": eer(curve),
        **{f"tpr_at_fpr_{fpr:g}": tpr_at_fpr(curve, fpr=fpr) for fpr in FPR_POINTS},
        **{f"apcer_at_bpcer_{bpcer:g}": apcer_at_bpcer(curve, bpcer=bpcer) for bpcer in BPCER_POINTS},
    }


def eer(curve: Roc | None) -> float | None:
    """Equal error rate: where false alarms and misses cross, on the straight line between thresholds."""
    if curve is None:
        return None
    fpr, tpr = curve
    gap = fpr - (1 - tpr)
    i = int(np.argmax(gap >= 0))
    if gap[i] == 0 or i == 0:
        return float(fpr[i])
    share = -gap[i - 1] / (gap[i] - gap[i - 1])
    return float(fpr[i - 1] + share * (fpr[i] - fpr[i - 1]))


def tpr_at_fpr(curve: Roc | None, *, fpr: float) -> float | None:
    """Largest true positive rate at a false positive rate of at most `fpr`."""
    if curve is None:
        return None
    false_positive, true_positive = curve
    return float(true_positive[np.searchsorted(false_positive, fpr, side="right") - 1])


def apcer_at_bpcer(curve: Roc | None, *, bpcer: float) -> float | None:
    """Share of fakes that are missed at the threshold that calls at most `bpcer` of the real images fake."""
    tpr = tpr_at_fpr(curve, fpr=bpcer)
    return None if tpr is None else 1 - tpr


def checked_scores(scores: ArrayLike, fake: ArrayLike) -> tuple[Floats, Flags]:
    """Both as arrays; ValueError if their shapes differ or a score is not finite."""
    values, flags = np.asarray(scores, np.float64), np.asarray(fake, np.bool_)
    if values.ndim != 1 or values.shape != flags.shape:
        raise ValueError(f"scores and fake must both be (N,), not {values.shape} and {flags.shape}")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    return values, flags
