"""Whether a probability means what it says. NumPy only.

`probabilities` are (N,) in [0, 1], of being fake; `fake` is (N,) bool. One class is enough; an empty set has
no calibration.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

BINS = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """The reliability curve: one entry per bin that holds an image, from low to high."""

    predicted: Floats
    """Mean probability in the bin."""
    observed: Floats
    """Share of fakes in the bin."""
    counts: NDArray[np.int64]


def brier(probabilities: ArrayLike, fake: ArrayLike) -> float | None:
    """Mean squared distance of the probability from the truth (Brier, 1950): 0 is perfect, 0.25 a coin's."""
    values, flags = _checked(probabilities, fake)
    return float(np.mean((values - flags) ** 2)) if len(values) else None


def reliability(probabilities: ArrayLike, fake: ArrayLike, *, bins: int = BINS) -> Reliability:
    """How often images called fake with some probability are fake, in bins of equal width.

    A probability on the edge of two bins belongs to the upper one, 1 to the last.
    """
    values, flags = _checked(probabilities, fake)
    which = np.minimum((values * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    seen = counts > 0
    predicted, observed = (
        np.bincount(which, weights=weights, minlength=bins)[seen] / counts[seen]
        for weights in (values, flags.astype(np.float64))
    )
    return Reliability(predicted, observed, counts[seen].astype(np.int64))


def _checked(probabilities: ArrayLike, fake: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    values, flags = np.asarray(probabilities, np.float64), np.asarray(fake, np.bool_)
    if values.ndim != 1 or values.shape != flags.shape:
        raise ValueError(f"probabilities and fake must be (N,) and alike, not {values.shape}, {flags.shape}")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("probabilities must lie in [0, 1]")
    return values, flags
