import pytest

from app.studies.schemas import StudySpec
from app.studies.totals import totals

SPEC = {
    "slug": "faces",
    "title": "T",
    "consent": "word " * 238,
    "instructions": "word",
    "trials_per_participant": 10,
    "judgements": 3,
    "pairs": {"per_source": 50},
}
CHECKS = {
    "pairs": [{"real": "a", "fake": "b"}],
    "regions": [{"image": "c", "prompt": "Paint the nose.", "region": [[0, 0], [1, 0], [1, 1]]}],
}


def of(pairs=50, **changes):
    return totals(StudySpec.model_validate(SPEC | changes), pairs=pairs)


class TestTotals:
    def test_judgements_are_pairs_times_questions_times_wanted_in_each_arm(self):
        found = of()
        assert (found.pairs, found.judgements, found.participants) == (50, 2 * 50 * 2 * 3, 2 * 30)

    def test_a_participant_too_many_is_better_than_one_too_few(self):
        assert of(trials_per_participant=7).arms[0].participants == 43  # 300 / 7 = 42.9

    def test_practice_and_checks_are_trials_and_regions_only_where_people_paint(self):
        paints, looks = of(practice={"count": 2}, checks=CHECKS).arms
        assert (paints.trials, looks.trials) == (2 + 1 + 10 + 1, 2 + 1 + 10)

    def test_minutes_are_reading_deciding_and_painting(self):
        paints, looks = of().arms
        assert looks.minutes == pytest.approx(239 / 238 + 10 * 10 / 60)
        assert paints.minutes == pytest.approx(looks.minutes + 10 * 20 / 60)
        assert of().hours == pytest.approx(30 * (paints.minutes + looks.minutes) / 60)

    def test_questions_take_time(self):
        asked = [{"id": "age", "text": "Your age?", "kind": "text"}]
        assert of(questions=asked).arms[1].minutes == pytest.approx(of().arms[1].minutes + 15 / 60)

    def test_more_judgements_tell_arms_apart_that_differ_less(self):
        assert of(judgements=30).smallest_difference < of().smallest_difference < 0.2

    def test_one_arm_is_compared_with_nothing(self):
        assert of(arms=[{"name": "only", "annotate": True}]).smallest_difference is None

    def test_too_few_pairs_are_no_comparison(self):
        assert of(pairs=5).smallest_difference is None
