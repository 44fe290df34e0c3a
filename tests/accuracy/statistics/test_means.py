import numpy as np
import pytest
from scipy.stats import t, ttest_1samp, ttest_rel

from accuracy.statistics.intervals import UNDEFINED, Interval
from accuracy.statistics.means import mean_interval, mean_sd


class TestMeanSd:
    def test_one_value_has_no_deviation(self):
        assert mean_sd([0.5, None]) == (0.5, None, 1)

    def test_no_value_has_no_mean(self):
        assert mean_sd([None]) == (None, None, 0)

    def test_the_deviation_is_that_of_a_sample(self):
        assert mean_sd([1.0, 2.0, 3.0]) == (2.0, 1.0, 3)


class TestMeanInterval:
    def test_it_is_scipys(self):
        values = [0.61, 0.64, 0.58, 0.70]
        found, expected = mean_interval([*values, None]), ttest_1samp(values, 0)
        low, high = expected.confidence_interval()
        assert (found.value, found.low, found.high) == pytest.approx((np.mean(values), low, high))
        assert found.p == pytest.approx(expected.pvalue)

    def test_of_differences_it_is_the_paired_test(self):
        one, two = np.array([2, 4, 5]), np.array([1, 2, 4])
        assert mean_interval((one - two).tolist()).p == pytest.approx(ttest_rel(one, two).pvalue)

    def test_three_values_have_two_degrees_of_freedom(self):
        found = mean_interval([1.0, 2.0, 3.0])
        assert (found.low, found.high) == pytest.approx(t.interval(0.95, 2, loc=2, scale=1 / 3**0.5))

    @pytest.mark.parametrize("values", [[0.1], [0.1] * 3, [0.1, None]])
    def test_without_variation_there_is_the_value_alone(self, values):
        found = mean_interval(values)
        assert found == Interval(found.value)
        assert found.value == pytest.approx(0.1)

    def test_no_value_is_undefined(self):
        assert mean_interval([None]) == UNDEFINED
