import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from accuracy.statistics import ranking
from accuracy.statistics.delong import auc_interval
from accuracy.statistics.ranking import Ranking

RANDOM = np.random.default_rng(0)
FAKE = RANDOM.random(300) > 0.6
SCORES = np.round(RANDOM.normal(size=300) + FAKE, 1)  # rounded, so that there are ties


def auc(scores, fake):
    return ranking.auc(Ranking.of(scores, fake))


def roc(scores, fake):
    return ranking.roc(Ranking.of(scores, fake))


def eer(scores, fake):
    return ranking.eer(roc(scores, fake))


def tpr_at_fpr(scores, fake, *, fpr):
    return ranking.tpr_at_fpr(roc(scores, fake), fpr=fpr)


def apcer_at_bpcer(scores, fake, *, bpcer):
    return ranking.apcer_at_bpcer(roc(scores, fake), bpcer=bpcer)


class TestAuc:
    def test_it_is_the_statistic_of_mann_and_whitney(self):
        pairs = FAKE.sum() * (~FAKE).sum()
        assert auc(SCORES, FAKE) == mannwhitneyu(SCORES[FAKE], SCORES[~FAKE]).statistic / pairs

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

    def test_it_is_the_shares_above_every_threshold(self):
        thresholds = [np.inf, *np.unique(SCORES)[::-1]]
        fpr, tpr = roc(SCORES, FAKE)
        assert fpr.tolist() == [(SCORES[~FAKE] >= threshold).mean() for threshold in thresholds]
        assert tpr.tolist() == [(SCORES[FAKE] >= threshold).mean() for threshold in thresholds]

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


class TestMerged:
    """Neighbours of one class as one entry."""

    @pytest.mark.parametrize("decimals", [0, 1, 12])
    @pytest.mark.parametrize("share_fake", [0.1, 0.5, 0.9])
    def test_it_gives_the_numbers_of_every_score(self, decimals, share_fake):
        fake = RANDOM.random(400) < share_fake
        scores = np.sort(np.round(RANDOM.normal(size=400), decimals))[::-1]
        each, merged = Ranking.of_sorted(scores, fake), Ranking.merged(scores, fake)
        assert len(merged.fakes) < len(each.fakes) or decimals == 0
        assert ranking.auc(merged) == ranking.auc(each)
        assert auc_interval(merged) == pytest.approx(auc_interval(each), abs=1e-14)
        points, expected = (ranking.operating_points(ranking.roc(one)) for one in (merged, each))
        assert points == pytest.approx(expected, abs=1e-14)

    def test_a_score_of_both_classes_stands_alone(self):
        scores = np.array([5.0, 4, 3, 3, 2, 1, 0])
        fake = np.array([True, True, True, False, False, False, True])
        merged = Ranking.merged(scores, fake)
        assert (merged.fakes.tolist(), merged.reals.tolist()) == ([2, 3, 3, 4], [0, 1, 3, 3])

    def test_constant_scores_are_one_entry(self):
        merged = Ranking.merged(np.zeros(4), np.array([True, False, True, False]))
        assert (merged.fakes.tolist(), merged.reals.tolist()) == ([2], [2])

    def test_an_empty_set_has_no_entry(self):
        assert len(Ranking.merged(np.empty(0), np.empty(0, bool)).fakes) == 0


class TestUndefined:
    @pytest.mark.parametrize("number", [auc, roc, eer])
    def test_one_class_has_none(self, number):
        assert number([0.1, 0.9], [True, True]) is None

    def test_so_it_is_at_every_operating_point(self):
        assert set(ranking.operating_points(None).values()) == {None}

    def test_a_score_that_is_no_number_is_refused(self):
        with pytest.raises(ValueError, match="finite"):
            auc([np.nan, 1], [True, False])


class TestAveragePrecision:
    def test_by_hand(self):
        # Fakes at ranks 1 and 3: precision 1 and 2/3.
        found = Ranking.of([4, 3, 2, 1], [True, False, True, False])
        assert ranking.average_precision(found) == pytest.approx((1 + 2 / 3) / 2)

    def test_equal_scores_are_taken_at_once(self):
        found = Ranking.of([1, 1, 1, 1], [True, False, False, False])
        assert ranking.average_precision(found) == 0.25

    def test_neighbours_that_are_merged_change_nothing(self):
        order = np.argsort(-SCORES)
        merged = Ranking.merged(SCORES[order], FAKE[order])
        assert ranking.average_precision(merged) == ranking.average_precision(Ranking.of(SCORES, FAKE))

    def test_one_class_has_none(self):
        assert ranking.average_precision(Ranking.of([1, 2], [True, True])) is None

    def test_its_interval_holds_it_and_is_wider_for_fewer_fakes(self):
        widths = []
        for n in (60, 300):
            found = Ranking.of(SCORES[:n], FAKE[:n])
            low, high = ranking.average_precision_interval(found)
            assert low < ranking.average_precision(found) < high
            widths.append(high - low)
        assert widths[0] > widths[1]
