import numpy as np
import pytest
from scipy.stats import bootstrap

from accuracy.statistics.delong import auc_interval, placements
from accuracy.statistics.ranking import Ranking, auc

RANDOM = np.random.default_rng(0)


class TestAucInterval:
    def test_it_agrees_with_the_bootstrap(self):
        real, fake = RANDOM.normal(size=150), RANDOM.normal(1, 1, size=100)

        def share(r, f):
            return (f[:, None] > r).mean()

        oracle = bootstrap((real, fake), share, vectorized=False, n_resamples=500, rng=1, method="percentile")
        low, high = auc_interval(Ranking.of([*real, *fake], [False] * 150 + [True] * 100))
        assert low == pytest.approx(oracle.confidence_interval.low, abs=0.015)
        assert high == pytest.approx(oracle.confidence_interval.high, abs=0.015)

    def test_its_variance_is_that_of_delong_ties_counting_half(self):
        real, fake = RANDOM.integers(0, 6, 40), RANDOM.integers(2, 9, 25)
        wins = (fake[:, None] > real) + 0.5 * (fake[:, None] == real)
        error = np.sqrt(wins.mean(1).var(ddof=1) / 25 + wins.mean(0).var(ddof=1) / 40)
        found = auc_interval(Ranking.of([*real, *fake], [False] * 40 + [True] * 25), level=0.9)
        reach = 1.6448536269514722 * error
        assert found == pytest.approx((wins.mean() - reach, wins.mean() + reach), abs=1e-12)

    def test_it_stays_within_0_and_1(self):
        assert auc_interval(Ranking.of([0, 1, 2, 3], [False, False, True, True])) == (1, 1)

    def test_one_image_of_a_class_has_none(self):
        assert auc_interval(Ranking.of([0, 1, 2], [True, False, False])) is None


class TestPlacements:
    def test_of_either_class_their_mean_is_the_auc(self):
        scores, fake = np.round(RANDOM.normal(size=90), 1), np.arange(90) % 3 == 0
        placed = placements(scores, fake)
        expected = auc(Ranking.of(scores, fake))
        assert (placed[fake].mean(), placed[~fake].mean()) == pytest.approx((expected, expected))

    def test_of_one_class_they_are_no_number(self):
        assert np.isnan(placements([0.1, 0.2], [True, True])).all()
