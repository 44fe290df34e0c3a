"""An estimate with its interval, and Student's t for an estimate whose standard error is known."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit  # scipy.stats takes a second to import

Floats = NDArray[np.float64]

CONFIDENCE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its 95 % interval; None where it is not defined. `p` is two-sided, against no effect."""

    value: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    se: float | None = None
    df: float = np.inf


UNDEFINED: Final = Interval(None)


def t_quantile(df: float = np.inf) -> float:
    """Two-sided 95 % quantile of Student's t; of the normal where `df` is infinite."""
    return float(stdtrit(df, 0.5 + CONFIDENCE / 2))


def t_interval(value: float, se: float, df: float) -> Interval:
    """A 95 % interval and a test against 0 by Student's t.

    The value alone where the standard error is 0 or not finite, or there are no degrees of freedom.
    """
    if df <= 0 or se <= 0 or not np.isfinite(se):
        return Interval(value)
    half_width = t_quantile(df) * se
    p = 2 * float(stdtr(df, -abs(value) / se))
    return Interval(value, value - half_width, value + half_width, p, se, df)
