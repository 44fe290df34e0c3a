import numpy as np
import pytest

from accuracy.statistics.clustered_proportions import clustered_difference, clustered_log_odds_ratio
from accuracy.statistics.clusters import ClusteredSample
from tests.support.simulated_studies import Recipe, sample_from


class TestDifference:
    def test_it_is_the_difference(self):
        sample = sample_from((1, [1, 1, 0]), (1, [1, 1, 1]), (0, [0, 1, 0]), (0, [1, 0, 1]))
        assert clustered_difference(sample).value == pytest.approx(5 / 6 - 3 / 6)

    def test_an_arm_without_errors_still_has_an_interval(self):
        sample = sample_from((1, [1, 1]), (1, [1, 1]), (0, [0, 1]), (0, [1, 0]))
        found = clustered_difference(sample)
        assert found.p is None
        assert found.low < found.value <= found.high

    def test_without_the_other_arm_there_is_none(self):
        assert clustered_difference(sample_from((1, [1, 0]), (1, [1, 1]))).value is None


class TestLogOddsRatio:
    def test_the_odds_ratio_is_that_of_gee(self):
        from statsmodels.genmod.cov_struct import Independence
        from statsmodels.genmod.families import Binomial
        from statsmodels.genmod.generalized_estimating_equations import GEE

        sample = Recipe(effect=0.5).draw(2)
        columns = np.column_stack([np.ones(len(sample.arm)), sample.arm])
        gee = GEE(sample.correct, columns, sample.participant, family=Binomial(), cov_struct=Independence())
        fitted = gee.fit()
        apart = ClusteredSample(
            sample.correct, sample.participant, np.arange(len(sample.correct)), sample.arm
        )
        found = clustered_log_odds_ratio(apart)
        assert found.value == pytest.approx(fitted.params[1])
        assert found.se == pytest.approx(fitted.bse[1] * np.sqrt(25 / 24))
