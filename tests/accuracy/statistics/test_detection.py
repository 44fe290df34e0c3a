"""d′ and criterion against textbooks and against the jackknife over participants."""

import numpy as np
import pytest
from scipy import stats

from accuracy.decisions.table import Decisions
from accuracy.findings.answers import criterion_of, dprime_of
from accuracy.statistics.clusters import ClusteredSample
from accuracy.statistics.detection import AnswerShare, detection_difference, detection_interval, weighted_z
from accuracy.statistics.intervals import UNDEFINED
from accuracy.statistics.proportions import bounded_share
from tests.support.decision_tables import forced_choices, single_images
from tests.support.simulated_studies import Recipe, sample_from


def jackknifed(decisions: Decisions, statistic) -> float:
    """Standard error of a statistic of decisions when one participant after the other is left out."""
    people = decisions.frame["participant"].unique()
    left = [statistic(decisions.of(decisions.frame["participant"] != one)).value for one in people]
    return float(np.sqrt((len(people) - 1) * np.var(left)))


class TestDetection:
    def test_d_prime_of_a_forced_choice(self):
        found = dprime_of(forced_choices([1] * 76 + [0] * 24))
        assert found.value == pytest.approx(1.0, abs=0.002)  # Macmillan and Creelman, table A5.7

    def test_guessing_has_none(self):
        assert dprime_of(forced_choices([1, 0, 1, 0])).value == pytest.approx(0)

    def test_nothing_but_correct_is_a_bound_without_an_interval(self):
        decisions = forced_choices([1] * 10, people=5)
        found = detection_interval(dprime_of(decisions), decisions.sample())
        assert bounded_share(10, 10) == 0.95
        assert found.value == pytest.approx(np.sqrt(2) * stats.norm.ppf(0.95))
        assert (found.low, found.high) == (None, None)

    def test_a_difference_from_nothing_but_correct_has_no_interval(self):
        one, zero = forced_choices([1] * 10, people=5), forced_choices([1, 0, 1, 1, 0, 1], people=3)
        sample = sample_from(*[(1, [1, 1])] * 5, *[(0, [1, 0])] * 3)
        found = detection_difference(dprime_of(one), dprime_of(zero), sample)
        assert found.value > 0
        assert found.low is None

    def test_one_person_has_no_interval(self):
        decisions = forced_choices([1, 0, 1, 1])
        found = detection_interval(dprime_of(decisions), decisions.sample())
        assert (found.low, found.high) == (None, None)

    @pytest.mark.parametrize(
        "decisions",
        [
            forced_choices([1]),
            single_images(1, 1, 1, 5),
            single_images(3, 5, 0, 1),
            single_images(3, 5, 0, 0),
        ],
    )
    def test_a_single_decision_of_a_kind_has_no_d_prime(self, decisions):
        assert dprime_of(decisions) is None
        assert detection_interval(None, decisions.sample()) == UNDEFINED

    def test_hits_alone_at_one_leave_no_interval(self):
        decisions = single_images(100, 100, 40, 100)
        assert detection_interval(dprime_of(decisions), decisions.sample()).low is None

    def test_a_preference_for_yes_is_below_zero(self):
        decisions = single_images(90, 100, 60, 100)
        hits, false_alarms = (stats.norm.ppf(rate) for rate in (0.9, 0.6))
        assert dprime_of(decisions).value == pytest.approx(hits - false_alarms)
        assert criterion_of(decisions).value == pytest.approx(-(hits + false_alarms) / 2)

    @pytest.mark.parametrize("statistic", [dprime_of, criterion_of])
    def test_the_delta_method_is_near_the_jackknife(self, statistic):
        decisions = single_images(280, 400, 170, 400)
        sample = decisions.sample()
        found = detection_interval(statistic(decisions), sample)
        assert found.se == pytest.approx(jackknifed(decisions, statistic), rel=0.02)
        assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, found.df) * found.se)

    def test_so_it_is_for_a_forced_choice(self):
        decisions = forced_choices(list((np.random.default_rng(1).random(800) < 0.7).astype(int)), people=40)
        found = detection_interval(dprime_of(decisions), decisions.sample())
        assert found.se == pytest.approx(jackknifed(decisions, dprime_of), rel=0.02)

    def test_pairs_that_differ_make_it_longer(self):
        sample = Recipe(pairs=10, trials=8, pair_sd=2.0).draw(0).of_arm(1)
        share = AnswerShare(sample.correct, np.ones(len(sample.correct)))
        found = weighted_z((1.0, share))
        apart = ClusteredSample(
            sample.correct, sample.participant, np.arange(len(sample.correct)), sample.arm
        )
        assert detection_interval(found, sample).se > 1.2 * detection_interval(found, apart).se
