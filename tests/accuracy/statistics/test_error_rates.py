import numpy as np
import pytest

from accuracy.statistics.error_rates import accuracy, acer, balanced_accuracy, best_threshold


class TestErrorRates:
    def test_acer_is_the_mean_of_both_rates(self):
        assert acer([1, 0, 1, 0, 0], [True, True, False, False, False], threshold=0.5) == pytest.approx(
            5 / 12
        )

    def test_a_score_at_the_threshold_says_real(self):
        assert acer([0.5, 0.5], [True, False], threshold=0.5) == 0.5
        assert acer([0.9, 0.5], [True, False], threshold=0.5) == 0
        assert accuracy([0.5], [False], threshold=0.5) == 1

    def test_accuracy_by_hand(self):
        assert accuracy([0.2, 0.8, 0.9], [False, False, True], threshold=0.5) == pytest.approx(2 / 3)

    def test_one_class_has_no_mean_of_two_rates(self):
        assert acer([0.1, 0.9], [True, True], threshold=0.5) is None

    def test_an_empty_set_has_none(self):
        assert accuracy([], [], threshold=0) is None


class TestBestThreshold:
    def test_it_separates_what_can_be_separated(self):
        assert best_threshold([0.0, 1.0, 3.0, 4.0], [False, False, True, True]) == 2.0

    def test_no_other_has_a_larger_balanced_accuracy(self):
        rng = np.random.default_rng(0)
        fake = rng.random(200) > 0.7
        scores = np.round(rng.normal(size=200) + fake, 1)
        best = balanced_accuracy(scores, fake, threshold=best_threshold(scores, fake))
        tried = np.append(np.unique(scores), scores.min() - 1)
        assert best == max(balanced_accuracy(scores, fake, threshold=one) for one in tried)

    def test_constant_scores_and_one_class(self):
        assert best_threshold([1.0, 1.0], [True, False]) == 0.0
        assert best_threshold([1.0, 2.0], [True, True]) is None
