from accuracy.statistics.intervals import UNDEFINED, Interval
from accuracy.statistics.logistic import exponentiated


class TestExponentiated:
    def test_odds_larger_than_a_number_can_be_are_undefined(self):
        assert exponentiated(Interval(1.0, 0.5, 800.0, 0.04)) == UNDEFINED
        assert exponentiated(Interval(0.0, -800.0, 0.0)).low == 0
