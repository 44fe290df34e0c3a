import numpy as np
import pytest
from scipy import stats

from accuracy.statistics.clustered_proportions import (
    clustered_difference,
    clustered_proportion,
    difference_scores,
)
from accuracy.statistics.clusters import ClusteredSample, cluster_variance
from tests.support.simulated_studies import Recipe, sample_from


class TestClusters:
    def test_it_is_what_statsmodels_calls_two_way_clustered(self):
        from statsmodels.regression.linear_model import OLS

        sample = Recipe(pair_by_arm_sd=1.0, pairs=20, participants=(15, 15)).draw(3)
        columns = np.column_stack([np.ones(len(sample.arm)), sample.arm])
        groups = np.column_stack([sample.participant, sample.item])
        fitted = OLS(sample.correct, columns).fit(
            cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
        )
        scores = difference_scores(sample)
        n = len(np.unique(sample.participant))
        people, pairs, each = (
            float((np.bincount(codes, weights=scores) ** 2).sum())
            for codes in (sample.participant, sample.item, np.arange(len(scores)))
        )
        assert people + pairs - each == pytest.approx(fitted.bse[1] ** 2)
        per_arm, items = n / 2, 20
        expected = people * per_arm / (per_arm - 1) + max(0, pairs - each) * items / (items - 1)
        found = cluster_variance(scores, participant=sample.participant, item=sample.item, arm=sample.arm)
        assert found.variance == pytest.approx(expected)

    def test_without_pairs_it_is_welch(self):
        sample = sample_from((0, [1, 0]), (0, [1, 1]), (0, [0, 0]), (1, [1, 1]), (1, [1, 0]))
        apart = ClusteredSample(
            sample.correct, sample.participant, np.arange(len(sample.correct)), sample.arm
        )
        welch = stats.ttest_ind([1, 0.5], [0.5, 1, 0], equal_var=False)
        found = clustered_difference(apart)
        assert found.p == pytest.approx(welch.pvalue)
        interval = welch.confidence_interval()
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))

    def test_one_participant_has_no_interval(self):
        found = clustered_proportion(sample_from((0, [1, 0, 1])))
        assert found.value == pytest.approx(2 / 3)
        assert found.low is None

    def test_somebody_in_two_arms_counts_once(self):
        correct, participant = np.array([1.0, 0, 1, 0, 1, 1]), np.array([0, 0, 1, 1, 2, 2])
        sample = ClusteredSample(correct, participant, np.arange(6), np.array([0, 1, 0, 1, 0, 1]))
        sums = np.bincount(participant, weights=difference_scores(sample))
        found = cluster_variance(
            difference_scores(sample), participant=participant, item=np.arange(6), arm=sample.arm
        )
        assert found.variance == pytest.approx((sums**2).sum() * 3 / 2)
        assert found.df == pytest.approx(2)
