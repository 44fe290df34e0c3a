import pytest
from statsmodels.stats.multitest import multipletests

from accuracy.statistics.multiple_tests import holm


class TestHolm:
    def test_it_is_the_step_down_rule(self):
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_what_could_not_be_tested_does_not_count(self):
        assert holm([0.02, None, 0.01]) == [0.02, None, 0.02]

    def test_it_is_that_of_statsmodels(self):
        p_values = [0.9, 0.8, 0.001, 0.02, 0.02]
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])

    def test_it_never_exceeds_1(self):
        assert holm([0.9, 0.8]) == [1, 1]

    def test_none_is_none(self):
        assert holm([]) == []
