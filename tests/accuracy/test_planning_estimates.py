import numpy as np
import pytest

from accuracy.statistics.planning import PlannedComparison, draw_study
from accuracy.statistics.planning_estimates import TooLittleData, measured_assumptions

PLAN = PlannedComparison(participants=20, decisions=30, pairs=60, mean=0.6, participant_sd=0.08, pair_sd=0.12)
TRUE = np.array([PLAN.mean, PLAN.participant_sd, PLAN.pair_sd])


def measure(sample):
    return measured_assumptions(sample.correct, sample.participant, sample.item, sample.arm)


def values(found):
    return [one.value for one in (found.mean, found.participant_sd, found.pair_sd)]


def covers(found):
    return [
        one.low <= true <= one.high
        for one, true in zip((found.mean, found.participant_sd, found.pair_sd), TRUE, strict=True)
    ]


class TestRecovery:
    def test_a_large_study_gives_back_what_it_was_drawn_with_within_a_percentage_point(self):
        plan = PlannedComparison(200, 50, 400, mean=0.6, participant_sd=0.08, pair_sd=0.12)
        found = measure(draw_study(plan, 0.1, np.random.default_rng(3)))
        assert values(found) == pytest.approx(TRUE, abs=0.01)
        assert (found.participants, found.pairs, found.decisions) == (400, 400, 20_000)

    def test_pilots_give_it_back_on_average_and_within_their_intervals(self):
        """Root mean squares within half a percentage point, and nine in ten intervals hold the truth."""
        rng = np.random.default_rng(5)
        found = [measure(draw_study(PLAN, 0.1, rng)) for _ in range(50)]
        mean, *sds = np.array([values(one) for one in found]).T
        assert mean.mean() == pytest.approx(0.6, abs=0.01)
        assert [np.sqrt((sd**2).mean()) for sd in sds] == pytest.approx([0.08, 0.12], abs=0.005)
        assert (np.mean([covers(one) for one in found], axis=0) >= 0.9).all()

    def test_a_difference_between_arms_is_no_difference_between_people(self):
        alike = PlannedComparison(100, 40, 100, mean=0.6, participant_sd=0.0, pair_sd=0.1)
        found = measure(draw_study(alike, 0.3, np.random.default_rng(1)))
        assert found.participant_sd.value < 0.04
        assert found.participant_sd.low == 0

    def test_how_often_a_pair_was_judged_does_not_matter(self):
        """Half of the decisions on half of the pairs are dropped: the estimates hold, and grow less sure."""
        plan = PlannedComparison(150, 60, 300, mean=0.6, participant_sd=0.08, pair_sd=0.12)
        rng = np.random.default_rng(2)
        whole = draw_study(plan, 0.1, rng)
        kept = (whole.item % 2 == 0) | (rng.random(len(whole.item)) < 0.5)
        part = measured_assumptions(
            *(column[kept] for column in (whole.correct, whole.participant, whole.item, whole.arm))
        )
        assert values(part) == pytest.approx(TRUE, abs=0.02)

    def test_the_smallest_difference_follows_from_a_pilot_as_from_the_truth(self):
        pilot = PlannedComparison(60, 40, 100, mean=0.6, participant_sd=0.08, pair_sd=0.12)
        measured = values(measure(draw_study(pilot, 0.1, np.random.default_rng(4))))
        planned = PlannedComparison(30, 30, 60, *measured).smallest_difference()
        assert planned == pytest.approx(PlannedComparison(30, 30, 60, *TRUE).smallest_difference(), abs=0.01)


class TestTooLittleData:
    @pytest.mark.parametrize(
        ("people", "pairs", "why"),
        [
            (4, 60, "8 participants with judgements; at least 10 are needed"),
            (20, 8, "8 pairs that were judged; at least 10 are needed"),
        ],
    )
    def test_it_is_refused_with_a_sentence(self, people, pairs, why):
        drawn = draw_study(PlannedComparison(people, min(pairs, 30), pairs), 0, np.random.default_rng(0))
        with pytest.raises(TooLittleData, match=why):
            measure(drawn)

    def test_pairs_that_nobody_else_judged_say_nothing_of_pairs(self):
        n = 200
        with pytest.raises(TooLittleData, match="judged more than once"):
            measured_assumptions(
                np.arange(n) % 2.0, np.arange(n) % 20, np.arange(n), np.zeros(n, dtype=np.intp)
            )

    def test_where_everything_is_correct_nothing_differs(self):
        person, pair = np.divmod(np.arange(400), 20)
        with pytest.raises(TooLittleData, match="Every judgement is correct"):
            measured_assumptions(np.ones(400), person, pair, np.zeros(400, dtype=np.intp))

    def test_no_decision_is_refused(self):
        nothing = np.zeros(0, dtype=np.intp)
        with pytest.raises(TooLittleData, match="0 participants"):
            measured_assumptions(np.zeros(0), nothing, nothing, nothing)
