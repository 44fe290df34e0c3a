"""Metrics against scipy and NumPy, and their rule for maps without relief."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from saliency.maps.metrics import agreement, correlation, entropy

maps = arrays(np.float64, (4, 5), elements=st.floats(0, 1).map(lambda x: round(x, 3)))


class TestEntropy:
    @given(maps.filter(np.any))
    def test_it_is_shannons_in_nats(self, values):
        assert entropy(values) == pytest.approx(stats.entropy(values.ravel()), abs=1e-9)

    def test_one_pixel_is_zero_and_a_constant_is_the_logarithm_of_the_area(self):
        assert entropy(np.eye(1, 9)) == 0
        assert entropy(np.full((3, 4), 0.2)) == pytest.approx(np.log(12))

    def test_a_map_of_zeros_has_none(self):
        assert entropy(np.zeros((3, 3))) == 0


class TestCorrelation:
    def test_it_is_pearsons(self):
        one, two = np.random.default_rng(0).random((2, 6, 7))
        assert correlation(one, two) == pytest.approx(stats.pearsonr(one.ravel(), two.ravel()).statistic)

    @given(maps)
    def test_a_constant_correlates_with_nothing(self, values):
        assert correlation(values, np.full((4, 5), 0.7)) == 0

    def test_shapes_must_match(self):
        with pytest.raises(ValueError, match="shapes"):
            correlation(np.zeros((2, 3)), np.zeros((3, 2)))


class TestAgreement:
    def test_it_is_a_mean_from_two_annotators_on(self):
        assert agreement([0.25, 0.75]) == 0.5
        assert agreement([0.25]) is None
        assert agreement([]) is None
