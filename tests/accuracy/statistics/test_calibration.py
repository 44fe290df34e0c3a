import numpy as np
import pytest
from scipy.special import expit

from accuracy.statistics.calibration import brier, calibration_error, reliability_curve

RANDOM = np.random.default_rng(0)
FAKE = RANDOM.random(300) > 0.6
SCORES = np.round(RANDOM.normal(size=300) + FAKE, 1)


class TestBrier:
    def test_by_hand(self):
        assert brier([0.8, 0.3], [True, False]) == pytest.approx((0.04 + 0.09) / 2)

    def test_a_coin(self):
        assert brier([0.5, 0.5], [True, False]) == 0.25

    def test_an_empty_set_has_none(self):
        assert brier([], []) is None

    def test_what_is_no_probability_is_refused(self):
        with pytest.raises(ValueError, match="0, 1"):
            brier([1.2], [True])
        with pytest.raises(ValueError, match="0, 1"):
            brier([np.nan], [True])


class TestReliability:
    def test_bins_by_hand(self):
        curve = reliability_curve([0.05, 0.15, 0.95, 1.0], [False, True, True, False], bins=10)
        assert curve.predicted.tolist() == pytest.approx([0.05, 0.15, 0.975])
        assert curve.observed.tolist() == [0, 1, 0.5]
        assert curve.counts.tolist() == [1, 1, 2]

    def test_the_edge_of_two_bins_belongs_to_the_upper_one(self):
        assert reliability_curve([0.0, 0.05, 0.5, 0.55], [False] * 4, bins=10).counts.tolist() == [2, 2]

    def test_a_calibrated_score_lies_on_the_diagonal(self):
        p = RANDOM.random(20_000)
        curve = reliability_curve(p, RANDOM.random(20_000) < p)
        np.testing.assert_allclose(curve.observed, curve.predicted, atol=0.04)

    def test_an_empty_set_has_no_bin(self):
        assert len(reliability_curve([], []).counts) == 0


class TestCalibrationError:
    def test_it_is_that_of_torchmetrics(self):
        """torchmetrics 1.9.0, `binary_calibration_error` of these confidences with `n_bins=15`."""
        assert calibration_error(expit(SCORES * 1.7), FAKE) == pytest.approx(0.1297216563750761, abs=1e-12)

    def test_one_half_says_real(self):
        """Both are right and share a bin, of 0.515 confidence."""
        assert calibration_error([0.5, 0.53], [False, True]) == pytest.approx(1 - 0.515)

    def test_who_is_sure_shares_a_bin_with_who_is_nearly_sure(self):
        """Both gaps count together: (1.0 - 0) + (0.95 - 1), over two images."""
        assert calibration_error([1.0, 0.95], [False, True]) == pytest.approx(0.95 / 2)

    def test_always_sure_and_always_right(self):
        assert calibration_error([0.0, 1.0], [False, True]) == 0

    def test_an_empty_set_has_none(self):
        assert calibration_error([], []) is None
