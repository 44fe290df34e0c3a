"""The rules that raise quality flags: what they catch, and whom they leave alone."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quality.rules import KINDS, flags
from app.quality.visit_record import JudgedTrial, StrokePath, VisitRecord

START = datetime(2026, 1, 1, tzinfo=UTC)


def curve(*, seed: int, start_ms: float = 2000.0, points: int = 12) -> StrokePath:
    """A wobbly stroke across half of a 512-pixel face, slow at its ends, in about half a second."""
    rng = np.random.default_rng(seed)
    tau = np.linspace(0, 1, points)
    x = 100 + 256 * (3 * tau**2 - 2 * tau**3)
    y = 250 + 30 * np.sin(x / 40) + rng.normal(0, 3, points)
    return StrokePath(np.column_stack([x, y, start_ms + rng.uniform(350, 650) * tau]))


def line(*points: tuple[float, float], start_ms: float = 2000.0, ms: float | None = None) -> StrokePath:
    """A stroke that lasts as long as its place says, so that no two last alike."""
    ms = 300.0 + 37 * (points[0][1] - 10) % 500 if ms is None else ms
    times = np.linspace(start_ms, start_ms + ms, len(points))
    return StrokePath(np.column_stack([np.array(points, dtype=float), times]))


def judgement(number: int, **changes) -> JudgedTrial:
    usual = {
        "trial_id": UUID(int=number),
        "is_check": False,
        "chose_left": number % 2 == 0,
        "correct": True,
        "decision_ms": 1900.0,
        "annotation_ms": 4000.0,
        "width": 512,
        "strokes": (curve(seed=number),),
    }
    return JudgedTrial(**{**usual, **changes})


def work(judgements, *, minutes: float = 60, is_program: bool = False) -> VisitRecord:
    return VisitRecord(tuple(judgements), START, START + timedelta(minutes=minutes), is_program)


def kinds(judgements, **changes) -> list[str]:
    return sorted({flag.kind for flag in flags(work(judgements, **changes))})


def test_careful_work_raises_nothing():
    assert kinds(judgement(n) for n in range(30)) == []


def test_no_work_raises_nothing():
    assert kinds([]) == []


def test_work_without_painting_raises_nothing():
    assert kinds(judgement(n, strokes=(), annotation_ms=None) for n in range(30)) == []


def test_every_kind_of_flag_is_the_name_of_its_rule():
    assert KINDS == (
        "failed_check",
        "fast_decision",
        "impossible_times",
        "identical_strokes",
        "straight_strokes",
        "one_side",
        "automation",
    )


class TestFailedCheck:
    def test_names_the_check_that_was_failed(self):
        failed = judgement(3, is_check=True, correct=False)
        (flag,) = flags(work([judgement(1), failed]))
        assert (flag.kind, flag.trial_id) == ("failed_check", failed.trial_id)

    def test_leaves_a_wrong_main_decision_alone(self):
        assert kinds([judgement(1, correct=False)]) == []


class TestFastDecision:
    def test_names_the_trial_and_the_time(self):
        quick = judgement(1, decision_ms=120.0, strokes=(), annotation_ms=None)
        (flag,) = flags(work([quick, judgement(2)]))
        assert (flag.kind, flag.trial_id, flag.detail) == (
            "fast_decision",
            quick.trial_id,
            {"decision_ms": 120.0},
        )

    def test_leaves_a_region_check_alone_where_nothing_is_decided(self):
        region = judgement(1, is_check=True, decision_ms=0.0, strokes=(curve(seed=1),))
        assert kinds([region]) == []


class TestImpossibleTimes:
    @pytest.mark.parametrize(
        ("stroke", "reason"),
        [
            (line((10, 10), (20, 30), start_ms=500), "painted before the decision"),
            (line((10, 10), (20, 30), start_ms=5800), "painted after the submission"),
            (line((0, 0), (500, 10), ms=-200), "a stroke that goes back in time"),
            (line((0, 0), (500, 10), (0, 20), (500, 30), ms=0), "a stroke faster than a hand"),
        ],
    )
    def test_says_what_contradicts_what(self, stroke, reason):
        (flag,) = flags(work([judgement(1, strokes=(stroke,))]))
        assert (flag.kind, flag.detail["reason"]) == ("impossible_times", reason)

    def test_a_browser_that_rounds_its_clock_is_left_alone(self):
        early = line((10, 10), (20, 30), start_ms=1860)
        assert kinds([judgement(1, strokes=(early,))]) == []

    def test_more_time_at_work_than_has_passed(self):
        (flag,) = flags(work([judgement(n) for n in range(10)], minutes=0.5))
        assert flag.trial_id is None
        assert flag.detail["reason"] == "59 s at work, but only 30 s since consent"

    def test_simulated_participants_invent_their_times_and_say_so(self):
        assert kinds((judgement(n) for n in range(10)), minutes=0.01, is_program=True) == []


class TestIdenticalStrokes:
    def test_the_same_drawing_moved_elsewhere(self):
        first = curve(seed=1)
        moved = StrokePath(first.points + np.array([7.3, -20.1, 150.0]))
        (flag,) = flags(work([judgement(1, strokes=(first,)), judgement(2, strokes=(moved,)), judgement(3)]))
        assert flag.kind == "identical_strokes"
        assert flag.detail == {"trials": [str(UUID(int=1)), str(UUID(int=2))]}

    def test_single_dabs_at_different_places_are_no_repetition(self):
        assert kinds(judgement(n, strokes=(line((50 + n, 60)),)) for n in range(30)) == []

    def test_a_dab_in_the_very_same_place_again_and_again(self):
        assert kinds(judgement(n, strokes=(line((256, 256)),)) for n in range(4)) == ["identical_strokes"]

    def test_a_dab_in_the_middle_twice_may_be_the_keyboard(self):
        assert kinds(judgement(n, strokes=(line((256, 256)),)) for n in range(2)) == []

    def test_the_same_points_cut_into_other_strokes_are_another_drawing(self):
        points = curve(seed=1).points
        halves = StrokePath(points[:6]), StrokePath(points[6:])
        assert kinds([judgement(1, strokes=(StrokePath(points),)), judgement(2, strokes=halves)]) == []


class TestStraightStrokes:
    def test_a_ruler_on_nearly_all_strokes(self):
        slants = (
            judgement(n, strokes=(line((10 * n, 20), (300, 100 + 9 * n), ms=300 + 60 * n),))
            for n in range(10)
        )
        (flag,) = flags(work(slants))
        assert flag.kind == "straight_strokes"
        assert flag.detail == {"straight": 10, "of": 10, "by_keyboard": False}

    def test_says_that_it_may_be_the_keyboard(self):
        steps = (
            judgement(n, strokes=(line((10, 9 * n), (200, 9 * n), (200, 9 * n + 5)),)) for n in range(10)
        )
        found = flags(work(judgement(n, strokes=(line((10, 9 * n), (200, 9 * n)),)) for n in range(10)))
        assert [flag.detail["by_keyboard"] for flag in found] == [True]
        assert kinds(steps) == []

    def test_short_strokes_are_straight_by_themselves(self):
        dashes = (judgement(n, strokes=(line((10 * n, 20), (10 * n + 30, 40)),)) for n in range(20))
        assert kinds(dashes) == []

    def test_some_straight_strokes_among_curves_are_fine(self):
        mixed = [judgement(n, strokes=(line((10 * n, 20), (300, 100 + 9 * n)),)) for n in range(8)]
        assert kinds(mixed + [judgement(n) for n in range(8, 14)]) == []

    def test_a_closed_outline_is_not_straight(self):
        around = (
            judgement(n, strokes=(line((10, 10 + n), (200, 20), (220, 200), (10, 10 + n)),))
            for n in range(10)
        )
        assert kinds(around) == []


class TestOneSide:
    def test_always_the_same_side(self):
        (flag,) = flags(work(judgement(n, chose_left=False) for n in range(30)))
        assert (flag.kind, flag.detail) == ("one_side", {"side": "right", "chosen": 30, "of": 30})

    def test_a_few_trials_say_nothing(self):
        assert kinds(judgement(n, chose_left=True) for n in range(12)) == []

    def test_a_leaning_is_no_pattern(self):
        assert kinds(judgement(n, chose_left=n < 20) for n in range(30)) == []


def pairs_of(*cases):
    """Work that a rule leaves alone, and work that is a little further and that it names."""
    return pytest.mark.parametrize(("fine", "too_far"), cases)


class TestThresholds:
    """Where each rule begins to speak, from both sides."""

    def test_a_decision_of_300_ms(self):
        assert kinds([judgement(1, decision_ms=300.0, strokes=())]) == []
        assert kinds([judgement(1, decision_ms=299.9, strokes=())]) == ["fast_decision"]

    def test_a_check_without_paint_may_not_be_faster(self):
        assert kinds([judgement(1, is_check=True, decision_ms=1.0, strokes=())]) == ["fast_decision"]

    @pairs_of(
        ({"start_ms": 1850.0}, {"start_ms": 1849.0}),  # the choice came at 1,900 ms
        ({"start_ms": 5650.0}, {"start_ms": 5651.0}),  # and lasts 300 ms; the submission came at 5,900 ms
        ({"ms": -50.0}, {"ms": -51.0}),
    )
    def test_clocks_are_50_ms_apart_at_most(self, fine, too_far):
        assert kinds([judgement(1, strokes=(line((10, 10), (10, 10), **fine),))]) == []
        assert kinds([judgement(1, strokes=(line((10, 10), (10, 10), **too_far),))]) == ["impossible_times"]

    def test_a_hand_does_20_widths_a_second(self):
        """2,048 px of a face of 512 px, which is four widths in 150 ms and the 50 ms of the clock."""
        assert kinds([judgement(1, strokes=(line((0, 0), (2047, 0), ms=150),))]) == []
        assert kinds([judgement(1, strokes=(line((0, 0), (2049, 0), ms=150),))]) == ["impossible_times"]

    def test_a_twentieth_and_5_s_more_than_passed_may_be_spent(self):
        """Ten judgements in ten minutes: 635 s of work are possible."""

        def busy(seconds):
            return [
                judgement(n, decision_ms=1000 * seconds / 10, annotation_ms=None, strokes=())
                for n in range(10)
            ]

        assert kinds(busy(634.9), minutes=10) == []
        assert kinds(busy(635.1), minutes=10) == ["impossible_times"]

    @pytest.mark.parametrize(("points", "times"), [(6, 2), (5, 4)])
    def test_a_drawing_may_come_once_and_a_few_dabs_three_times(self, points, times):
        same = curve(seed=1, points=points)
        assert kinds(judgement(n, strokes=(same,)) for n in range(times - 1)) == []
        assert kinds(judgement(n, strokes=(same,)) for n in range(times)) == ["identical_strokes"]

    def test_drawings_are_compared_to_a_tenth_of_a_pixel(self):
        first = StrokePath(np.round(curve(seed=1).points))
        for shift, found in ((0.04, ["identical_strokes"]), (0.06, [])):
            moved = first.points.copy()
            moved[5, 0] += shift
            assert (
                kinds([judgement(1, strokes=(first,)), judgement(2, strokes=(StrokePath(moved),))]) == found
            )

    def test_eight_long_strokes_of_which_four_in_five_are_straight(self):
        for straight, bent, found in (
            (8, 2, ["straight_strokes"]),
            (7, 2, []),
            (8, 0, ["straight_strokes"]),
            (7, 0, []),
        ):
            strokes = [line((0, 9 * n), (200, 9 * n + 50)) for n in range(straight)]
            curves = [line((0, 9 * n), (100, 9 * n + 50), (200, 9 * n)) for n in range(bent)]
            assert kinds(judgement(n, strokes=(one,)) for n, one in enumerate(strokes + curves)) == found

    def test_straight_is_within_a_fivehundredth_of_the_width(self):
        """1.024 px of 512."""
        for bend, found in ((1.02, ["straight_strokes"]), (1.03, [])):
            bent = (line((0, 9 * n), (100, 9 * n + bend), (200, 9 * n)) for n in range(8))
            assert kinds(judgement(n, strokes=(one,)) for n, one in enumerate(bent)) == found

    def test_long_is_a_tenth_of_the_width(self):
        """51.2 px of 512."""
        for length, found in ((51.2, ["straight_strokes"]), (51.1, [])):
            strokes = (line((0, 9 * n), (length * 0.6, 9 * n + length * 0.8)) for n in range(8))
            assert kinds(judgement(n, strokes=(one,)) for n, one in enumerate(strokes)) == found

    def test_one_side_is_what_a_coin_does_less_than_once_in_ten_thousand(self):
        """Of 20 trials: 19 on one side have p = 0.00004, 18 have 0.0004."""
        for side in (True, False):
            for count, found in ((19, ["one_side"]), (18, [])):
                chosen = [side] * count + [not side] * (20 - count)
                assert kinds(judgement(n, chose_left=left) for n, left in enumerate(chosen)) == found

    def test_checks_are_on_no_side(self):
        chosen = [judgement(n, chose_left=True) for n in range(10)]
        assert kinds(chosen + [judgement(10 + n, is_check=True, chose_left=True) for n in range(10)]) == []


@given(
    st.lists(
        st.lists(
            st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0, 1e8)), min_size=1, max_size=6
        ),
        max_size=5,
    )
)
def test_whatever_was_painted_is_judged_without_an_error(drawings):
    strokes = tuple(StrokePath(np.array(points)) for points in drawings)
    assert set(kinds([judgement(1, strokes=strokes), judgement(2, strokes=strokes)])) <= set(KINDS)
