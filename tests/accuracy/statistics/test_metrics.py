import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc, binary_calibration_error, binary_roc

from accuracy.statistics import metrics
from accuracy.statistics.metrics import Ranking

RANDOM = np.random.default_rng(0)
FAKE = RANDOM.random(300) > 0.6
SCORES = np.round(RANDOM.normal(size=300) + FAKE, 1)  # rounded, so that there are ties

ONE_CLASS = ([0.1, 0.9], [True, True])


def auc(scores, fake):
    return metrics.auc(Ranking.of(scores, fake))


def roc(scores, fake):
    return metrics.roc(Ranking.of(scores, fake))


def eer(scores, fake):
    return metrics.eer(roc(scores, fake))


def tpr_at_fpr(scores, fake, *, fpr):
    return metrics.tpr_at_fpr(roc(scores, fake), fpr=fpr)


def apcer_at_bpcer(scores, fake, *, bpcer):
    return metrics.apcer_at_bpcer(roc(scores, fake), bpcer=bpcer)


NEEDS_BOTH = [
    auc,
    roc,
    eer,
    lambda s, f: tpr_at_fpr(s, f, fpr=0.1),
    lambda s, f: apcer_at_bpcer(s, f, bpcer=0.1),
    lambda s, f: metrics.acer(s, f, threshold=0.5),
]


class TestAuc:
    def test_it_is_that_of_torchmetrics(self):
        oracle = binary_auroc(torch.tensor(metrics.sigmoid(SCORES)), torch.tensor(FAKE).int())
        assert auc(SCORES, FAKE) == pytest.approx(oracle.item(), abs=1e-6)

    def test_by_hand(self):
        assert auc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]) == 0.75

    def test_a_tie_counts_half(self):
        assert auc([0.5, 0.5], [True, False]) == 0.5

    def test_perfect_and_worst(self):
        assert auc([0, 1], [False, True]) == 1
        assert auc([1, 0], [False, True]) == 0

    def test_it_is_exact_where_there_are_ties(self):
        wins = (SCORES[FAKE][:, None] > SCORES[~FAKE]) + 0.5 * (SCORES[FAKE][:, None] == SCORES[~FAKE])
        assert auc(SCORES, FAKE) == wins.mean()

    def test_it_does_not_saturate_with_large_logits(self):
        assert auc([100.0, 200.0], [False, True]) == 1


class TestRoc:
    def test_it_has_a_step_for_each_score_and_none_for_a_tie(self):
        fpr, tpr = roc([1, 3, 1, 2, 0], [True, True, False, False, False])
        assert fpr.tolist() == [0, 0, 1 / 3, 2 / 3, 1]
        assert tpr.tolist() == [0, 0.5, 0.5, 1, 1]

    def test_it_is_that_of_torchmetrics(self):
        fpr, tpr = roc(SCORES, FAKE)
        oracle = binary_roc(torch.tensor(metrics.sigmoid(SCORES)), torch.tensor(FAKE).int())
        np.testing.assert_allclose(fpr, oracle[0], atol=1e-6)
        np.testing.assert_allclose(tpr, oracle[1], atol=1e-6)

    def test_its_area_is_the_auc(self):
        assert np.trapezoid(*roc(SCORES, FAKE)[::-1]) == pytest.approx(auc(SCORES, FAKE))


class TestOperatingPoints:
    def test_equal_error_rate_by_hand(self):
        assert eer([0, 1, 2, 3], [False, True, False, True]) == pytest.approx(0.5)

    def test_equal_error_rate_between_thresholds_lies_on_the_line(self):
        """One fake of four stands alone, the rest is tied: from (0, 1/4) to (1, 1), x = 1 - (1/4 + 3/4 x)."""
        assert eer([2, 1, 1, 1, 1, 1], [True, True, True, True, False, False]) == pytest.approx(3 / 7)

    def test_a_perfect_detector_makes_no_errors(self):
        assert eer([0, 0, 1, 1], [False, False, True, True]) == 0

    def test_fakes_found_without_accusing_anyone(self):
        assert tpr_at_fpr([3, 1, 2, 0], [True, True, False, False], fpr=0.0) == 0.5

    def test_a_rate_that_a_threshold_meets_exactly_counts(self):
        assert tpr_at_fpr([3, 2, 1, 0], [False, True, True, False], fpr=0.5) == 1

    def test_misses_at_a_rate_of_accusations_are_the_complement(self):
        found = tpr_at_fpr(SCORES, FAKE, fpr=0.05)
        assert apcer_at_bpcer(SCORES, FAKE, bpcer=0.05) == pytest.approx(1 - found)

    def test_acer_is_the_mean_of_both_rates(self):
        assert metrics.acer(
            [1, 0, 1, 0, 0], [True, True, False, False, False], threshold=0.5
        ) == pytest.approx(5 / 12)

    def test_a_score_at_the_threshold_says_real(self):
        assert metrics.acer([0.5, 0.5], [True, False], threshold=0.5) == 0.5
        assert metrics.acer([0.9, 0.5], [True, False], threshold=0.5) == 0
        assert metrics.accuracy([0.5], [False], threshold=0.5) == 1

    def test_accuracy_by_hand(self):
        assert metrics.accuracy([0.2, 0.8, 0.9], [False, False, True], threshold=0.5) == pytest.approx(2 / 3)


class TestCalibration:
    def test_it_is_that_of_torchmetrics(self):
        p = metrics.sigmoid(SCORES * 1.7)
        confidence, right = np.maximum(p, 1 - p), (p > 0.5) == FAKE
        oracle = binary_calibration_error(torch.tensor(confidence), torch.tensor(right).int(), n_bins=15)
        assert metrics.calibration_error(p, FAKE) == pytest.approx(oracle.item(), abs=1e-4)

    def test_one_half_says_real(self):
        """Both are right and share a bin, of 0.515 confidence."""
        assert metrics.calibration_error([0.5, 0.53], [False, True]) == pytest.approx(1 - 0.515)

    def test_who_is_sure_shares_a_bin_with_who_is_nearly_sure(self):
        """Both gaps count together: (1.0 - 0) + (0.95 - 1), over two images."""
        assert metrics.calibration_error([1.0, 0.95], [False, True]) == pytest.approx(0.95 / 2)

    def test_always_sure_and_always_right(self):
        assert metrics.calibration_error([0.0, 1.0], [False, True]) == 0


class TestUndefined:
    @pytest.mark.parametrize("metric", NEEDS_BOTH)
    def test_one_class_has_none(self, metric):
        assert metric(*ONE_CLASS) is None

    def test_an_empty_set_has_none(self):
        assert metrics.accuracy([], [], threshold=0) is None
        assert metrics.calibration_error([], []) is None

    def test_a_score_that_is_no_number_is_refused(self):
        with pytest.raises(ValueError, match="finite"):
            auc([np.nan, 1], [True, False])


def test_sigmoid_does_not_overflow():
    assert metrics.sigmoid([-1e4, 0, 1e4]).tolist() == [0, 0.5, 1]
