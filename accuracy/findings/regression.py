"""Logistic models with errors clustered by participants and pairs."""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import expit

from accuracy.decisions.table import sample_of
from accuracy.statistics.clusters import Spread, spread
from accuracy.statistics.comparison import UNKNOWN, Interval, Sample, around
from accuracy.statistics.proportions import Floats

FURTHEST: Final = 15.0  # log odds; further out means that the model separates right from wrong
LARGEST_LOG: Final = 700.0  # of a double


@dataclass(frozen=True, slots=True)
class Fitted:
    """Coefficients, and what each decision adds to each of them: (K,) and (N, K)."""

    coefficients: Floats
    influence: Floats
    columns: Floats
    sample: Sample

    def contrast(self, weights: Floats) -> Interval:
        """A weighted sum of coefficients."""
        return around(float(weights @ self.coefficients), self._spread(self.influence @ weights))

    def arm_effect(self, column: int) -> Interval:
        """Mean difference in probability between arm 1 and arm 0, everybody else's columns as they are."""
        one, zero = self.columns.copy(), self.columns.copy()
        one[:, column], zero[:, column] = 1, 0
        ones, zeros = expit(one @ self.coefficients), expit(zero @ self.coefficients)
        value = float((ones - zeros).mean())
        slope = (ones * (1 - ones)) @ one - (zeros * (1 - zeros)) @ zero
        scores = (self.influence @ slope + (ones - zeros) - value) / len(ones)
        return around(value, self._spread(scores))

    def _spread(self, scores: Floats) -> Spread:
        own = self.sample
        return spread(scores, participant=own.participant, item=own.item, arm=own.arm)


def fit(correct: Floats, columns: Floats, sample: Sample) -> Fitted | None:
    """Logistic regression by estimating equations with independence; None when it does not converge, when the
    columns depend on each other, or when they tell right from wrong without error (separation)."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    if len(correct) <= columns.shape[1] or np.linalg.matrix_rank(columns) < columns.shape[1]:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = GLM(correct, columns, family=Binomial()).fit(maxiter=50)
    coefficients = np.asarray(found.params, dtype=np.float64)
    odds = columns @ coefficients
    if not found.converged or not np.isfinite(odds).all() or np.abs(odds).max() > FURTHEST:
        return None
    share = expit(odds)
    information = (columns * (share * (1 - share))[:, None]).T @ columns
    influence = (columns * (correct - share)[:, None]) @ np.linalg.inv(information)
    return Fitted(coefficients, influence, columns, sample)


def odds_per(frame: pd.DataFrame, column: Floats) -> Interval:
    """Odds ratio of a correct decision for one more of `column`, shape (N,) as `frame`, with its interval.

    Compared within participants: their mean is a column of its own, so that people who do more of it and are
    better at it do not count.
    """
    per_person = (
        pd.Series(column, index=frame.index).groupby(frame["participant"]).transform("mean").to_numpy()
    )
    within, between = column - per_person, per_person - per_person.mean()
    parts = [np.ones(len(column)), within] + ([between] if np.ptp(between) > 1e-9 else [])
    fitted = fit(frame["correct"].to_numpy(dtype=float), np.column_stack(parts), sample_of(frame, ones=()))
    if fitted is None:
        return UNKNOWN
    return exponential(fitted.contrast(np.eye(len(parts))[1]))


def exponential(one: Interval) -> Interval:
    """An interval of log odds as odds; unknown where one of them is larger than a number can be."""
    if max(one.value or 0.0, one.high or 0.0) > LARGEST_LOG:
        return UNKNOWN
    value, low, high = (None if log is None else float(np.exp(log)) for log in (one.value, one.low, one.high))
    return Interval(value, low, high, one.p)


def difference_at_equal_time(frame: pd.DataFrame, arm: str, column: str = "decision_ms") -> Interval:
    """Difference of `arm` to the other in `frame`, had both taken the same time (`column`, in ms).

    Logistic model of the arm and of the logarithm of the time with its square; averaged over the times that
    both arms took. Unknown when the model cannot be fitted.
    """
    time = np.log(np.maximum(frame[column].to_numpy(dtype=float), 1.0))
    deviation = time.std()
    standard = (time - time.mean()) / deviation if deviation > 0 else np.zeros_like(time)
    sample = sample_of(frame, ones=[arm])
    parts = [np.ones(len(time)), sample.arm.astype(float)]
    parts += [standard, standard**2] if deviation > 0 else []
    fitted = fit(sample.correct, np.column_stack(parts), sample)
    return UNKNOWN if fitted is None else fitted.arm_effect(1)


def overlap(one: Floats, other: Floats) -> float:
    """Share of values that the middle 90 % of the other ones reach, whichever of the two is less: 0 to 0.9
    and a little more. Near 0, a model that compares both at one value guesses."""
    return min(_inside(one, other), _inside(other, one))


def _inside(values: Floats, of: Floats) -> float:
    low, high = np.quantile(of, [0.05, 0.95])
    return float(((values >= low) & (values <= high)).mean())


def difference_in_learning(frame: pd.DataFrame, arm: str) -> Interval:
    """How many times the odds of `arm` grow per ten trials as those of the other arm in `frame`."""
    sample = sample_of(frame, ones=[arm])
    tens = frame["position"].to_numpy(dtype=float) / 10
    columns = np.column_stack([np.ones(len(tens)), sample.arm, tens, sample.arm * tens])
    fitted = fit(sample.correct, columns, sample)
    return UNKNOWN if fitted is None else exponential(fitted.contrast(np.array([0.0, 0.0, 0.0, 1.0])))
