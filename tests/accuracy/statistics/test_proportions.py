import numpy as np
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from accuracy.statistics.proportions import Proportion, bounded_share, newcombe, wilson


class TestWilson:
    def test_it_is_the_published_interval(self):
        # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3: 81 of 263.
        assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)

    def test_all_correct_is_not_certain(self):
        low, high = wilson(1.0, 10)
        assert low == pytest.approx(0.7225, abs=5e-5)
        assert high == 1.0

    def test_few_clusters_widen_it(self):
        assert wilson(0.6, 50, df=4)[0] < wilson(0.6, 50)[0]

    @pytest.mark.parametrize(("count", "total"), [(0, 7), (3, 7), (7, 7), (410, 1000)])
    def test_it_is_that_of_statsmodels(self, count, total):
        expected = proportion_confint(count, total, method="wilson")
        assert wilson(count / total, total) == pytest.approx(expected, abs=1e-12)


class TestNewcombe:
    @pytest.mark.parametrize("counts", [(56, 48), (70, 0), (3, 80)])
    def test_it_is_that_of_statsmodels(self, counts):
        one, zero = counts
        found = newcombe((one / 70, zero / 80), (70, 80))
        expected = confint_proportions_2indep(one, 70, zero, 80, method="newcomb")
        assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)
        assert found.value == pytest.approx(one / 70 - zero / 80)


class TestBoundedShare:
    def test_certainty_is_moved_by_half_a_decision(self):
        assert bounded_share(np.array([0, 5, 10]), 10).tolist() == [0.05, 0.5, 0.95]

    def test_a_single_decision_has_none(self):
        assert np.isnan(bounded_share(1, 1))


class TestProportion:
    def test_the_interval_is_wilsons(self):
        assert Proportion(81, 263).interval == wilson(81 / 263, 263)

    @pytest.mark.parametrize("correct", [0, 7])
    def test_it_stays_inside_and_is_never_empty(self, correct):
        low, high = Proportion(correct, 7).interval
        assert 0 <= low < high <= 1

    def test_nothing_counted_has_no_rate(self):
        assert (Proportion(0, 0).rate, Proportion(0, 0).interval) == (None, None)

    def test_counts_add_up(self):
        assert Proportion(1, 2) + Proportion(2, 3) == Proportion(3, 5)
