import numpy as np
import pytest
from scipy.stats import spearmanr

from training.evaluation.agreement import dice, overlap, spearman, squared_error

RANDOM = np.random.default_rng(0)
ONE, TWO = RANDOM.random((2, 5, 7, 7))
MEASURES = [spearman, overlap, dice]


class TestAgreement:
    def test_spearman_is_scipys(self):
        oracle = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(ONE, TWO, strict=True)]
        np.testing.assert_allclose(spearman(ONE, TWO), oracle)

    def test_overlap_and_dice_by_hand(self):
        one, two = np.zeros((2, 1, 2, 5))
        one[0, 0, :2], two[0, 0, 1:3] = 1, 1
        assert overlap(one, two, top=0.2) == pytest.approx(1 / 3)
        assert dice(one, two, top=0.2) == pytest.approx(1 / 2)

    @pytest.mark.parametrize("measure", MEASURES)
    def test_a_map_agrees_with_itself(self, measure):
        np.testing.assert_allclose(measure(ONE, ONE), 1)

    @pytest.mark.parametrize("measure", MEASURES)
    def test_who_is_compared_with_whom_does_not_matter(self, measure):
        np.testing.assert_allclose(measure(ONE, TWO), measure(TWO, ONE))

    def test_opposite_maps(self):
        np.testing.assert_allclose(spearman(ONE, -ONE), -1)
        assert overlap(ONE, -ONE).max() == 0

    def test_a_flat_map_has_no_ranking(self):
        assert np.isnan(spearman(np.ones_like(ONE), TWO)).all()

    def test_squared_error_is_numpys(self):
        np.testing.assert_allclose(squared_error(ONE, TWO), ((ONE - TWO) ** 2).mean((1, 2)))
