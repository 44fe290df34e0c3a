import numpy as np
import pytest

from accuracy.statistics.planning import PlannedComparison, draw_study, simulated_power

PLAN = PlannedComparison(participants=30, decisions=30, pairs=100)


class TestPower:
    def test_the_smallest_difference_is_found_with_the_power_that_was_asked_for(self):
        for power in (0.5, 0.8, 0.95):
            assert PLAN.power(PLAN.smallest_difference(power=power)) == pytest.approx(power)

    def test_predicted_80_percent_hold_in_simulated_studies(self):
        found = simulated_power(PLAN, PLAN.smallest_difference(), studies=500, seed=1)
        assert found == pytest.approx(0.8, abs=0.03)

    def test_without_a_difference_hardly_any_study_finds_one(self):
        assert PLAN.power(0) < 0.05
        assert simulated_power(PLAN, 0, studies=200, seed=2) <= 0.08

    def test_direction_does_not_matter(self):
        assert PLAN.power(-0.05) == PLAN.power(0.05)

    def test_a_large_difference_is_always_found(self):
        assert PLAN.power(0.5) == pytest.approx(1)

    def test_more_people_and_more_decisions_find_smaller_differences(self):
        more_people = PlannedComparison(participants=60, decisions=30, pairs=100)
        more_decisions = PlannedComparison(participants=30, decisions=60, pairs=100)
        assert more_people.smallest_difference() < PLAN.smallest_difference()
        assert more_decisions.smallest_difference() < PLAN.smallest_difference()

    def test_people_who_differ_more_need_larger_differences(self):
        apart = PlannedComparison(participants=30, decisions=30, pairs=100, participant_sd=0.15)
        assert apart.smallest_difference() > PLAN.smallest_difference()

    def test_everybody_may_judge_every_pair(self):
        assert 0 < PlannedComparison(participants=10, decisions=1, pairs=1).smallest_difference() < 1

    @pytest.mark.parametrize(
        "wrong",
        [
            {"participants": 1},
            {"decisions": 101},
            {"decisions": 0},
            {"mean": 1},
            {"mean": 0.99},
            {"participant_sd": 0.5},
        ],
    )
    def test_what_cannot_be_drawn_is_refused(self, wrong):
        with pytest.raises(ValueError, match=r"participants|differ"):
            PlannedComparison(**{"participants": 30, "decisions": 30, "pairs": 100, **wrong})


class TestDrawnStudy:
    def test_nobody_judges_a_pair_twice_and_pairs_are_judged_equally_often(self):
        drawn = draw_study(PLAN, 0.1, np.random.default_rng(0))
        seen = list(zip(drawn.participant, drawn.item, strict=True))
        assert len(set(seen)) == len(seen) == 2 * 30 * 30
        for arm in (0, 1):
            assert set(np.bincount(drawn.item[drawn.arm == arm])) == {9}

    def test_arms_differ_as_they_are_told(self):
        plan = PlannedComparison(participants=2000, decisions=50, pairs=100)
        drawn = draw_study(plan, 0.1, np.random.default_rng(0))
        shares = [drawn.of_arm(arm).correct.mean() for arm in (1, 0)]
        assert shares[0] - shares[1] == pytest.approx(0.1, abs=0.01)
