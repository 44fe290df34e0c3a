import pytest

from accuracy.statistics.clustered_proportions import clustered_difference
from accuracy.statistics.resampling import bootstrap_difference
from tests.support.simulated_studies import Recipe


class TestBootstrap:
    def test_the_bootstrap_is_near_the_formula(self):
        sample = Recipe(participants=(60, 60), effect=0.5).draw(1)
        formula, bootstrap = clustered_difference(sample), bootstrap_difference(sample)
        assert bootstrap.value == pytest.approx(formula.value)
        assert bootstrap.low == pytest.approx(formula.low, abs=0.02)

    def test_the_same_seed_gives_the_same_interval(self):
        sample = Recipe().draw(1)
        assert bootstrap_difference(sample) == bootstrap_difference(sample)
