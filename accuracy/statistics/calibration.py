"""Whether probabilities mean what they say.

`probabilities` are (N,) in [0, 1], of being fake; `fake` is (N,) bool. One class is enough; an empty set has
no calibration. ValueError for anything else.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from accuracy.statistics.intervals import Floats

CURVE_BINS: Final = 10
ERROR_BINS: Final = 15


@dataclass(frozen=True, slots=True)
class CalibrationCurve:
    """One entry per bin that holds an image, from low to high."""

    predicted: Floats
    """Mean probability in the bin."""
    observed: Floats
    """Share of fakes in the bin."""
    counts: NDArray[np.int64]
    """Images in the bin."""


def brier(probabilities: ArrayLike, fake: ArrayLike) -> float | None:
    """Mean squared distance of the probability from the truth (Brier, 1950): 0 is perfect, 0.25 a coin's."""
    values, flags = _checked(probabilities, fake)
    return float(np.mean((values - flags) ** 2)) if len(values) else None


def reliability_curve(
    probabilities: ArrayLike, fake: ArrayLike, *, bins: int = CURVE_BINS
) -> CalibrationCurve:
    """How often images called fake with some probability are fake, in bins of equal width.

    A probability on the edge of two bins belongs to the upper one, 1 to the last.
    """
    values, flags = _checked(probabilities, fake)
    bin_of = np.minimum((values * bins).astype(int), bins - 1)
    counts = np.bincount(bin_of, minlength=bins)
    filled = counts > 0
    predicted, observed = (
        np.bincount(bin_of, weights=weights, minlength=bins)[filled] / counts[filled]
        for weights in (values, flags.astype(np.float64))
    )
    return CalibrationCurve(predicted, observed, counts[filled].astype(np.int64))


def calibration_error(probabilities: ArrayLike, fake: ArrayLike, *, bins: int = ERROR_BINS) -> float | None:
    """Expected calibration error (Naeini, Cooper and Hauskrecht, 2015): mean gap of confidence and accuracy
    over bins of equal width of the confidence. A confidence on the edge of two bins belongs to the lower."""
    values, flags = _checked(probabilities, fake)
    if not len(values):
        return None
    confidence = np.maximum(values, 1 - values)
    right = (values > 0.5) == flags
    bin_of = np.ceil(confidence * bins).astype(int) - 1  # a confidence is at least one half
    gaps = np.bincount(bin_of, weights=confidence - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(values))


def _checked(probabilities: ArrayLike, fake: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    values, flags = np.asarray(probabilities, np.float64), np.asarray(fake, np.bool_)
    if values.ndim != 1 or values.shape != flags.shape:
        raise ValueError(f"probabilities and fake must both be (N,), not {values.shape} and {flags.shape}")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("probabilities must lie in [0, 1]")
    return values, flags
