import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from accuracy.statistics.power import minimum_detectable_effect


class TestMinimumDetectableEffect:
    def test_a_bigger_study_detects_less(self):
        assert minimum_detectable_effect(0.01, 100) < minimum_detectable_effect(0.02, 100)
        assert minimum_detectable_effect(1, np.inf) == pytest.approx(1.96 + 0.8416, abs=1e-3)

    def test_a_study_detects_it_as_often_as_asked(self):
        n = 400
        effect = minimum_detectable_effect(1 / n**0.5, n - 1)
        assert TTestPower().power(effect, n, 0.05) == pytest.approx(0.8, abs=0.002)
