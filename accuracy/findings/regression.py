"""Logistic models of a table of decisions: at equal time, by amount, over trials."""

import numpy as np
import pandas as pd

from accuracy.decisions.table import sample_of
from accuracy.statistics.intervals import UNDEFINED, Floats, Interval
from accuracy.statistics.logistic import exponentiated, logistic_fit


def odds_ratio_per_unit(frame: pd.DataFrame, column: Floats) -> Interval:
    """Odds ratio of a correct decision for one more of `column`, shape (N,) as `frame`, with its interval.

    Compared within participants: their means are a column of their own, so that people who have more of it
    and decide better do not count. Undefined when the model cannot be fitted.
    """
    per_person = (
        pd.Series(column, index=frame.index).groupby(frame["participant"]).transform("mean").to_numpy()
    )
    within, between = column - per_person, per_person - per_person.mean()
    parts = [np.ones(len(column)), within] + ([between] if np.ptp(between) > 1e-9 else [])
    correct = frame["correct"].to_numpy(dtype=float)
    fitted = logistic_fit(correct, np.column_stack(parts), sample_of(frame, ones=()))
    return UNDEFINED if fitted is None else exponentiated(fitted.contrast(np.eye(len(parts))[1]))


def difference_at_equal_time(frame: pd.DataFrame, arm: str, column: str = "decision_ms") -> Interval:
    """Difference of `arm` to the other in `frame`, had both taken the same time (`column`, in ms).

    Logistic model of the arm and of the logarithm of the time with its square; averaged over the times of
    both arms. Undefined when the model cannot be fitted.
    """
    time = np.log(np.maximum(frame[column].to_numpy(dtype=float), 1.0))
    deviation = time.std()
    standard = (time - time.mean()) / deviation if deviation > 0 else np.zeros_like(time)
    sample = sample_of(frame, ones=[arm])
    parts = [np.ones(len(time)), sample.arm.astype(float)]
    parts += [standard, standard**2] if deviation > 0 else []
    fitted = logistic_fit(sample.correct, np.column_stack(parts), sample)
    return UNDEFINED if fitted is None else fitted.arm_effect(1)


def ratio_of_learning(frame: pd.DataFrame, arm: str) -> Interval:
    """Ratio of the odds ratios per ten trials, of `arm` to the other arm in `frame`."""
    sample = sample_of(frame, ones=[arm])
    tens = frame["position"].to_numpy(dtype=float) / 10
    columns = np.column_stack([np.ones(len(tens)), sample.arm, tens, sample.arm * tens])
    fitted = logistic_fit(sample.correct, columns, sample)
    weights = np.array([0.0, 0.0, 0.0, 1.0])
    return UNDEFINED if fitted is None else exponentiated(fitted.contrast(weights))
