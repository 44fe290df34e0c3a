"""Numbers for a detector, from scores alone. NumPy only; `None` where a number is not defined.

`scores` are (N,) and higher means fake; `fake` is (N,) bool. A set with one class only has no ROC.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]

OPERATING_POINTS = (0.1, 0.01, 0.001)
BPCER_POINTS = (0.01, 0.05, 0.1)
BINS = 15


def auc(scores: ArrayLike, fake: ArrayLike) -> float | None:
    """Area under the ROC curve: how often a random fake outscores a random real, ties counting half."""
    values, flags = _checked(scores, fake)
    positives, negatives = int(flags.sum()), int((~flags).sum())
    if not positives or not negatives:
        return None
    wins = rankdata(values)[flags].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def roc(scores: ArrayLike, fake: ArrayLike) -> tuple[Values, Values] | None:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1)."""
    values, flags = _checked(scores, fake)
    if flags.all() or not flags.any():
        return None
    order = np.argsort(-values, kind="stable")
    last_of_tie = np.append(np.diff(values[order]) != 0, True)
    hits = np.cumsum(flags[order])[last_of_tie]
    alarms = np.cumsum(~flags[order])[last_of_tie]
    fpr, tpr = alarms / alarms[-1], hits / hits[-1]
    return np.append(0.0, fpr), np.append(0.0, tpr)


def accuracy(scores: ArrayLike, fake: ArrayLike, *, threshold: float) -> float | None:
    """Share of right answers when a score above the threshold says fake."""
    values, flags = _checked(scores, fake)
    return float(np.mean((values > threshold) == flags)) if len(values) else None


def eer(scores: ArrayLike, fake: ArrayLike) -> float | None:
    """Equal error rate: where false alarms and misses cross, on the straight line between thresholds."""
    curve = roc(scores, fake)
    if curve is None:
        return None
    fpr, tpr = curve
    gap = fpr - (1 - tpr)
    i = int(np.argmax(gap >= 0))
    if gap[i] == 0 or i == 0:
        return float(fpr[i])
    share = -gap[i - 1] / (gap[i] - gap[i - 1])
    return float(fpr[i - 1] + share * (fpr[i] - fpr[i - 1]))


def tpr_at_fpr(scores: ArrayLike, fake: ArrayLike, *, fpr: float) -> float | None:
    """Largest share of fakes found while no more than `fpr` of the reals are accused."""
    curve = roc(scores, fake)
    return None if curve is None else float(curve[1][curve[0] <= fpr].max())


def apcer_at_bpcer(scores: ArrayLike, fake: ArrayLike, *, bpcer: float) -> float | None:
    """Share of fakes missed at the threshold that accuses no more than `bpcer` of the reals."""
    found = tpr_at_fpr(scores, fake, fpr=bpcer)
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
