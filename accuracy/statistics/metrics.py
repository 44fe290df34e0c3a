"""Numbers for a detector, from scores alone. NumPy only; `None` where a number is not defined.

`scores` are (N,) and higher means fake; `fake` is (N,) bool. A set with one class only has no ROC. What asks
for the order of the images alone takes a `Ranking`: one sort serves all of these numbers.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
Roc = tuple[Values, Values]
"""False and true positive rates at every threshold, from (0, 0) to (1, 1)."""

OPERATING_POINTS = (0.1, 0.01, 0.001)
BPCER_POINTS = (0.01, 0.05, 0.1)
BINS = 15


@dataclass(frozen=True, slots=True)
class Ranking:
    """How many images of either class score at least so high, for each of the G scores, the highest first."""

    fakes: Counts  # (G,)
    reals: Counts  # (G,)

    @classmethod
    def of(cls, scores: ArrayLike, fake: ArrayLike) -> Self:
        """The ranking of scores in any order; ValueError if one is not finite."""
        values, flags = _checked(scores, fake)
        order = np.argsort(-values)
        return cls.of_sorted(values[order], flags[order])

    @classmethod
    def of_sorted(cls, scores: Values, fake: Flags) -> Self:
        """The ranking of scores that stand in order, the highest first."""
        last_of_tie = np.flatnonzero(np.append(np.diff(scores) != 0, [True] * (len(scores) > 0)))
        fakes = np.cumsum(fake, dtype=np.int64)[last_of_tie]
        return cls(fakes, last_of_tie + 1 - fakes)

    @property
    def totals(self) -> tuple[int, int]:
        """All fakes, all reals."""
        return (int(self.fakes[-1]), int(self.reals[-1])) if len(self.fakes) else (0, 0)

    def each(self) -> tuple[Values, Values]:
        """(G,) fakes and reals of each score, as floating-point numbers, whose products are quick."""
        return np.diff(self.fakes, prepend=0).astype(float), np.diff(self.reals, prepend=0).astype(float)


def auc(ranking: Ranking) -> float | None:
    """Area under the ROC curve: how often a random fake outscores a random real, ties counting half."""
    positives, negatives = ranking.totals
    if not positives or not negatives:
        return None
    fakes, reals = ranking.each()
    outscored = (negatives - ranking.reals) + reals / 2
    return float((fakes * outscored).sum() / (positives * negatives))  # a sum of halves: exact


def roc(ranking: Ranking) -> Roc | None:
    """The curve of a ranking with both classes."""
    positives, negatives = ranking.totals
    if not positives or not negatives:
        return None
    return np.append(0.0, ranking.reals / negatives), np.append(0.0, ranking.fakes / positives)


def accuracy(scores: ArrayLike, fake: ArrayLike, *, threshold: float) -> float | None:
    """Share of right answers when a score above the threshold says fake."""
    values, flags = _checked(scores, fake)
    return float(np.mean((values > threshold) == flags)) if len(values) else None


def operating_points(curve: Roc | None) -> dict[str, float | None]:
    """`eer`, `tpr_at_fpr_…` and `apcer_at_bpcer_…`, by these names."""
    return {
        "eer": eer(curve),
        **{f"tpr_at_fpr_{fpr:g}": tpr_at_fpr(curve, fpr=fpr) for fpr in OPERATING_POINTS},
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
    """Largest share of fakes found while no more than `fpr` of the reals are accused."""
    if curve is None:
        return None
    alarms, found = curve
    return float(found[np.searchsorted(alarms, fpr, side="right") - 1])


def apcer_at_bpcer(curve: Roc | None, *, bpcer: float) -> float | None:
    """Share of fakes missed at the threshold that accuses no more than `bpcer` of the reals."""
    found = tpr_at_fpr(curve, fpr=bpcer)
    return None if found is None else 1 - found


def acer(scores: ArrayLike, fake: ArrayLike, *, threshold: float) -> float | None:
    """Mean of the share of fakes missed and the share of reals accused, at a threshold fixed in advance."""
    values, flags = _checked(scores, fake)
    if flags.all() or not flags.any():
        return None
    says_fake = values > threshold
    return float((np.mean(~says_fake[flags]) + np.mean(says_fake[~flags])) / 2)


def calibration_error(probabilities: ArrayLike, fake: ArrayLike, *, bins: int = BINS) -> float | None:
    """Expected calibration error: mean gap of confidence and accuracy over equal bins of confidence."""
    values, flags = _checked(probabilities, fake)
    if not len(values):
        return None
    confidence = np.maximum(values, 1 - values)
    right = (values > 0.5) == flags
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(which, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(values))


def sigmoid(values: ArrayLike) -> Values:
    """1 / (1 + e^-x), without overflow."""
    x = np.asarray(values, np.float64)
    with np.errstate(invalid="ignore"):  # what is no number stays none
        return np.asarray(np.exp(-np.logaddexp(0, -x)), np.float64)


def _checked(scores: ArrayLike, fake: ArrayLike) -> tuple[Values, Flags]:
    values, flags = np.asarray(scores, np.float64), np.asarray(fake, np.bool_)
    if values.ndim != 1 or values.shape != flags.shape:
        raise ValueError(f"scores and fake must be (N,) and alike, not {values.shape} and {flags.shape}")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    return values, flags
