"""Logistic regression with errors clustered by participants and pairs."""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from accuracy.statistics.clusters import ClusteredSample, clustered_interval
from accuracy.statistics.intervals import UNDEFINED, Floats, Interval

LARGEST_LOG_ODDS: Final = 15.0
"""Larger fitted log odds mean that the model separates right from wrong."""
LARGEST_EXPONENT: Final = 700.0  # of a double


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """Coefficients (K,), and what each decision adds to each of them, (N, K)."""

    coefficients: Floats
    influence: Floats
    columns: Floats
    """(N, K) the design matrix."""
    sample: ClusteredSample

    def contrast(self, weights: Floats) -> Interval:
        """A weighted sum of coefficients; weights (K,)."""
        return clustered_interval(float(weights @ self.coefficients), self.influence @ weights, self.sample)

    def arm_effect(self, column: int) -> Interval:
        """Mean difference in probability between 1 and 0 in the column of the arm, the others as they are."""
        with_arm, without_arm = self.columns.copy(), self.columns.copy()
        with_arm[:, column], without_arm[:, column] = 1, 0
        p_with, p_without = expit(with_arm @ self.coefficients), expit(without_arm @ self.coefficients)
        value = float((p_with - p_without).mean())
        slope = (p_with * (1 - p_with)) @ with_arm - (p_without * (1 - p_without)) @ without_arm
        scores = (self.influence @ slope + (p_with - p_without) - value) / len(p_with)
        return clustered_interval(value, scores, self.sample)


def logistic_fit(correct: Floats, columns: Floats, sample: ClusteredSample) -> LogisticFit | None:
    """Logistic regression of `correct`, (N,) of 0 and 1, on a design matrix (N, K), by estimating equations
    with independence.

    None when it does not converge, when the columns depend on each other, or when they predict right and
    wrong without error (separation).
    """
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    if len(correct) <= columns.shape[1] or np.linalg.matrix_rank(columns) < columns.shape[1]:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        fitted = GLM(correct, columns, family=Binomial()).fit(maxiter=50)
    coefficients = np.asarray(fitted.params, dtype=np.float64)
    log_odds = columns @ coefficients
    if not fitted.converged or not np.isfinite(log_odds).all() or np.abs(log_odds).max() > LARGEST_LOG_ODDS:
        return None
    share = expit(log_odds)
    information = (columns * (share * (1 - share))[:, None]).T @ columns
    influence = (columns * (correct - share)[:, None]) @ np.linalg.inv(information)
    return LogisticFit(coefficients, influence, columns, sample)


def exponentiated(logs: Interval) -> Interval:
    """An interval of logarithms as one of odds, ratios or times; undefined where a number would overflow."""
    if max(logs.value or 0.0, logs.high or 0.0) > LARGEST_EXPONENT:
        return UNDEFINED
    value, low, high = (
        None if log is None else float(np.exp(log)) for log in (logs.value, logs.low, logs.high)
    )
    return Interval(value, low, high, logs.p)


def common_support(first: Floats, second: Floats) -> float:
    """Share of the values of one sample inside the middle 90 % of the other, or the other way round,
    whichever is less: 0 to about 0.9. Near 0, a model that compares both at one value extrapolates."""
    return min(_share_inside(first, second), _share_inside(second, first))


def _share_inside(values: Floats, reference: Floats) -> float:
    low, high = np.quantile(reference, [0.05, 0.95])
    return float(((values >= low) & (values <= high)).mean())
