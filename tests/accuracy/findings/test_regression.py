"""Logistic models against statsmodels, and their errors against weights on single decisions."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from accuracy.decisions.table import sample_of
from accuracy.findings.regression import difference_at_equal_time, odds_ratio_per_unit, ratio_of_learning
from accuracy.statistics.clustered_proportions import clustered_difference
from accuracy.statistics.clusters import cluster_variance
from tests.support.simulated_studies import Recipe


def logistic(correct, columns: np.ndarray, weights: np.ndarray):
    """A fit by statsmodels in which each decision counts as often as its weight says."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    return GLM(np.asarray(correct), columns, family=Binomial(), freq_weights=weights).fit(tol=1e-12)


def moved(statistic, decisions: int) -> np.ndarray:
    """How much a statistic moves for each decision when that counts a little more."""
    step, ones = 1e-4, np.ones(decisions)
    return np.array([(statistic(ones + step * one) - statistic(ones - step * one)) / (2 * step)
                     for one in np.eye(decisions)])  # fmt: skip


def clustered(adds: np.ndarray, frame: pd.DataFrame) -> float:
    """Standard error over participants, each arm with its own n/(n − 1)."""
    variance = 0.0
    for _, arm in frame.assign(adds=adds).groupby("arm"):
        sums = arm.groupby("participant")["adds"].sum()
        variance += float((sums**2).sum()) * len(sums) / (len(sums) - 1)
    return float(np.sqrt(variance))


class TestRegression:
    def frame(self, seed: int = 0) -> pd.DataFrame:
        sample = Recipe(effect=0.6).draw(seed)
        rng = np.random.default_rng(seed)
        arm = np.where(sample.arm == 1, "annotate", "control")
        times = rng.lognormal(8 + 0.5 * sample.arm, 0.5)
        columns = {"participant": sample.participant, "arm": arm, "correct": sample.correct}
        position = np.tile(np.arange(1, 21), len(arm) // 20)
        return pd.DataFrame({**columns, "item": sample.item, "decision_ms": times, "position": position})

    def test_time_that_does_not_matter_leaves_the_difference(self):
        frame = self.frame()
        plain = clustered_difference(sample_of(frame, ones=["annotate"]))
        adjusted = difference_at_equal_time(frame, "annotate")
        assert adjusted.value == pytest.approx(plain.value, abs=0.03)

    def test_a_difference_that_is_all_time_goes(self):
        frame = self.frame()
        rng = np.random.default_rng(1)
        odds = 1.5 * (np.log(frame["decision_ms"]) - 8.25)
        frame["correct"] = (rng.random(len(frame)) < 1 / (1 + np.exp(-odds))).astype(float)
        plain = clustered_difference(sample_of(frame, ones=["annotate"]))
        adjusted = difference_at_equal_time(frame, "annotate")
        assert plain.low > 0.05
        assert adjusted.low < 0 < adjusted.high

    def test_odds_within_people_ignore_who_does_more(self):
        rng = np.random.default_rng(2)
        participant = np.repeat(np.arange(40), 25)
        habit = np.repeat(rng.normal(0, 2, 40), 25)
        correct = (rng.random(1000) < 1 / (1 + np.exp(-habit))).astype(float)
        frame = pd.DataFrame({"participant": participant, "correct": correct, "arm": "a"})
        found = odds_ratio_per_unit(frame, habit + rng.normal(0, 1, 1000))
        assert found.low < 1 < found.high

    @pytest.fixture
    def small(self) -> pd.DataFrame:
        """Two arms of unequal times, small enough to fit once for each decision."""
        rng = np.random.default_rng(4)
        arm = np.repeat(["annotate", "control"], 30)
        correct = (rng.random(60) < np.where(arm == "annotate", 0.75, 0.55)).astype(float)
        times = rng.lognormal(8 + 0.4 * (arm == "annotate"), 0.5)
        people = np.repeat(np.arange(12), 5)
        columns = {"participant": people, "arm": arm, "correct": correct, "decision_ms": times}
        return pd.DataFrame({**columns, "position": np.tile(np.arange(1, 6), 12)})

    def test_the_error_at_equal_time_is_that_of_weights_on_the_decisions(self, small):
        """The infinitesimal jackknife with models of statsmodels: how far each weight moves the estimate."""
        arm = (small["arm"] == "annotate").to_numpy(float)
        time = np.log(small["decision_ms"].to_numpy())
        columns = np.column_stack([np.ones(60), arm, time, time**2])
        one, zero = columns.copy(), columns.copy()
        one[:, 1], zero[:, 1] = 1, 0

        def effect(weights: np.ndarray) -> float:
            fitted = logistic(small["correct"], columns, weights)
            return float(np.average(fitted.predict(one) - fitted.predict(zero), weights=weights))

        found = difference_at_equal_time(small, "annotate")
        assert found.value == pytest.approx(effect(np.ones(60)), abs=1e-6)
        assert found.se == pytest.approx(clustered(moved(effect, 60), small), rel=1e-3)

    def test_the_error_of_learning_is_that_of_weights_on_the_decisions(self, small):
        arm, tens = (small["arm"] == "annotate").to_numpy(float), small["position"].to_numpy() / 10
        columns = np.column_stack([np.ones(60), arm, tens, arm * tens])

        def slope(weights: np.ndarray) -> float:
            return float(logistic(small["correct"], columns, weights).params[3])

        found = ratio_of_learning(small, "annotate")
        assert found.value == pytest.approx(np.exp(slope(np.ones(60))), rel=1e-6)
        reach = np.log(found.high) - np.log(found.value)
        adds, people = moved(slope, 60), small["participant"].to_numpy()
        df = cluster_variance(adds, participant=people, item=np.arange(60), arm=arm.astype(int)).df
        assert reach == pytest.approx(stats.t.ppf(0.975, df) * clustered(adds, small), rel=1e-3)

    def test_odds_within_people_are_those_of_statsmodels(self, small):
        """With the mean of each person as a column of its own."""
        column = np.log2(small["decision_ms"].to_numpy())
        mean = pd.Series(column).groupby(small["participant"]).transform("mean").to_numpy()
        columns = np.column_stack([np.ones(60), column - mean, mean - mean.mean()])

        def slope(weights: np.ndarray) -> float:
            return float(logistic(small["correct"], columns, weights).params[1])

        found = odds_ratio_per_unit(small, column)
        assert found.value == pytest.approx(np.exp(slope(np.ones(60))), rel=1e-6)
        alone = small.assign(arm="a")
        reach = stats.t.ppf(0.975, 11) * clustered(moved(slope, 60), alone)
        assert np.log(found.high / found.value) == pytest.approx(reach, rel=1e-3)

    def test_separation_has_no_answer(self):
        frame = pd.DataFrame({"participant": np.arange(40), "arm": "a", "correct": [0.0] * 20 + [1.0] * 20})
        assert odds_ratio_per_unit(frame, np.zeros(40)).value is None
        frame["participant"] = 0
        assert odds_ratio_per_unit(frame, np.arange(40.0)).value is None
