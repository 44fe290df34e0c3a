"""Measures between two maps, each against an oracle of its own and at its extremes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from saliency.comparison.measures import (
    MEASURES,
    auc_judd,
    compare_maps,
    dice,
    divergence,
    earth_movers_distance,
    iou,
    normalised_saliency,
    similarity,
    spearman,
    top_area,
)

maps = arrays(np.float64, (4, 5), elements=st.floats(0, 1).map(lambda x: round(x, 2)))
ONE, TWO = np.random.default_rng(0).random((2, 6, 8))
FLAT = np.full((6, 8), 0.3)


class TestCompareMaps:
    def test_a_map_is_most_like_itself(self):
        same = compare_maps(ONE, ONE)
        assert (same.cc, same.spearman, same.sim, same.iou, same.dice) == pytest.approx((1, 1, 1, 1, 1))
        assert (same.kl, same.emd) == pytest.approx((0, 0), abs=1e-6)
        assert same.auc_judd == 1

    @given(maps, maps)
    def test_every_measure_of_any_two_maps_is_finite(self, one, two):
        values = compare_maps(one, two).to_dict()
        assert tuple(values) == MEASURES
        assert np.isfinite(list(values.values())).all()

    @pytest.mark.parametrize("flat", [FLAT, np.zeros((6, 8))])
    def test_a_constant_map_has_the_value_of_knowing_nothing(self, flat):
        result = compare_maps(ONE, flat)
        assert (result.cc, result.spearman, result.nss, result.iou, result.dice) == (0, 0, 0, 0, 0)
        assert result.auc_judd == 0.5
        assert result.sim == pytest.approx(np.minimum(ONE / ONE.sum(), 1 / ONE.size).sum())

    def test_shapes_must_match(self):
        with pytest.raises(ValueError, match="must be equal"):
            compare_maps(ONE, ONE.T)


class TestOracles:
    def test_spearman_is_scipys(self):
        assert spearman(ONE.round(1), TWO.round(1)) == pytest.approx(
            stats.spearmanr(ONE.round(1).ravel(), TWO.round(1).ravel()).statistic
        )

    def test_divergence_is_scipys_relative_entropy(self):
        assert divergence(ONE, TWO) == pytest.approx(stats.entropy(ONE.ravel(), TWO.ravel()))

    def test_similarity_is_one_minus_half_the_absolute_difference(self):
        difference = np.abs(ONE / ONE.sum() - TWO / TWO.sum()).sum()
        assert similarity(ONE, TWO) == pytest.approx(1 - difference / 2)

    def test_nss_is_the_mean_z_score_of_marked_pixels(self):
        marked = TWO > 0.7
        assert normalised_saliency(ONE, marked) == pytest.approx(stats.zscore(ONE, axis=None)[marked].mean())

    def test_auc_judd_is_the_share_of_pairs_in_order(self):
        values, marked = ONE.round(1), TWO > 0.6
        pairs = [
            (hit > miss) + (hit == miss) / 2
            for hit, miss in itertools.product(values[marked], values[~marked])
        ]
        assert auc_judd(values, marked) == pytest.approx(np.mean(pairs))

    def test_earth_movers_distance_is_scipys_wasserstein_distance(self):
        y, x = np.mgrid[:6, :8] + 0.5
        places = np.stack([x.ravel(), y.ravel()], axis=1)
        expected = stats.wasserstein_distance_nd(places, places, ONE.ravel(), TWO.ravel())
        assert earth_movers_distance(ONE, TWO) == pytest.approx(expected, rel=1e-4)

    def test_earth_moves_as_far_as_a_dab_does(self):
        one, two = np.zeros((2, 64, 128))
        one[30:34, 8:16] = two[30:34, 104:112] = 1
        assert earth_movers_distance(one, two) == pytest.approx(96)

    def test_iou_and_dice_of_areas_that_overlap_by_half(self):
        one, two = np.zeros((2, 2, 4), bool)
        one[0, :2] = two[0, 1:3] = True
        assert (iou(one, two), dice(one, two)) == pytest.approx((1 / 3, 1 / 2))
        assert (iou(~one & one, one & ~one), dice(one & ~one, one & ~one)) == (0, 0)


class TestTopArea:
    def test_it_marks_a_tenth_of_distinct_values(self):
        values = np.random.default_rng(1).permutation(200).reshape(10, 20)
        np.testing.assert_array_equal(top_area(values), values >= 180)

    def test_a_map_with_little_ink_marks_its_ink(self):
        values = np.zeros((10, 10))
        values[3, 4] = 0.2
        assert np.argwhere(top_area(values)).tolist() == [[3, 4]]

    def test_a_plateau_is_marked_whole(self):
        values = np.zeros((10, 10))
        values[:4] = 1
        assert top_area(values).sum() == 40
