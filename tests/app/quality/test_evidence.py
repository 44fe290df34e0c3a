"""Evidence that a program worked the page: what each piece reads, and what is enough for a flag."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quality.evidence import LABELS, is_enough, measures, pace, spread
from app.quality.rules import automation
from app.quality.visit_record import JudgedTrial, StrokePath, VisitRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HAND_MOUSE = {"mouse": {"presses": 5.0, "moves": 90.0, "path": 1300.0, "straight": 1000.0}}
JUMPS = {"mouse": {"presses": 5.0, "moves": 5.0, "path": 1001.0, "straight": 1000.0}}
HAND_KEYS = {"keys": {"count": 40.0, "gap_ms": 180.0, "spread_ms": 70.0, "held_ms": 80.0}}
SENT_KEYS = {"keys": {"count": 40.0, "gap_ms": 180.0, "spread_ms": 0.0, "held_ms": 0.0}}


def drawn(path, times) -> StrokePath:
    return StrokePath(np.column_stack([np.asarray(path, dtype=float), np.asarray(times, dtype=float)]))


def by_hand(seed: int, *, start_ms: float = 2000.0) -> StrokePath:
    """Bent, slow at its ends, in a time of its own."""
    rng = np.random.default_rng(seed)
    tau = np.linspace(0, 1, 24)
    part = 10 * tau**3 - 15 * tau**4 + 6 * tau**5
    path = np.column_stack([100 + 250 * part, 250 + 60 * np.sin(5 * part) + rng.normal(0, 2, 24)])
    return drawn(path, start_ms + tau * rng.uniform(300, 1500))


def straight(seed: int, *, start_ms: float = 2000.0) -> StrokePath:
    rng = np.random.default_rng(seed)
    return drawn(rng.uniform(50, 450, (2, 2)), [start_ms, start_ms + rng.uniform(100, 900)])


def round_at_one_pace(seed: int, *, start_ms: float = 2000.0) -> StrokePath:
    angles = np.linspace(0, 6, 30)
    far = np.random.default_rng(seed).uniform(40, 120)
    path = 256 + far * np.column_stack([np.cos(angles), np.sin(angles)])
    return drawn(path, start_ms + np.arange(30) * far / 5)


def by_keys(seed: int) -> StrokePath:
    """Along the arrow keys' directions."""
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random((30, 1)) < 0.5, [[5.12, 0]], [[0, 5.12]])
    return drawn(100 + np.cumsum(steps, axis=0), 2000 + np.cumsum(rng.uniform(30, 250, 30)))


def visit(make, given=None, *, trials: int = 10) -> VisitRecord:
    return VisitRecord(
        tuple(
            JudgedTrial(
                trial_id=UUID(int=number),
                is_check=False,
                chose_left=True,
                correct=True,
                decision_ms=1500.0,
                annotation_ms=9000.0,
                width=512,
                strokes=one_after_another(number, make),
                input=HAND_MOUSE if given is None else given,
            )
            for number in range(trials)
        ),
        NOW,
        NOW,
        is_program=False,
    )


def one_after_another(number: int, make) -> tuple[StrokePath, StrokePath]:
    """Two strokes with a person's pause between them."""
    first, second = make(2 * number).points, make(2 * number + 1).points
    pause = np.random.default_rng(number).uniform(200, 1500)
    later = second + np.array([0, 0, first[-1, 2] + pause - second[0, 2]])
    return StrokePath(first), StrokePath(later)


def met(work: VisitRecord) -> list[str]:
    return [measure.name for measure in measures(work) if measure.is_met]


def is_flagged(work: VisitRecord) -> bool:
    return bool(list(automation(work)))


class TestMeasures:
    def test_a_person_with_a_mouse_meets_none(self):
        assert met(visit(by_hand)) == []

    def test_they_have_names_and_one_order(self):
        assert [measure.name for measure in measures(visit(by_hand))] == list(LABELS)
        assert [measure.name for measure in measures(visit(by_hand, trials=0))] == list(LABELS)

    @pytest.mark.parametrize(
        ("make", "given", "names"),
        [
            (by_hand, {"controlled": {"webdriver": 1.0}}, ["controlled"]),
            (by_hand, {"trap": {"shown": 1.0, "presses": 1.0}}, ["trap"]),
            (by_hand, {"trap": {"shown": 1.0, "presses": 0.0}}, []),
            (by_hand, {"scripted": {"presses": 1.0, "moves": 9.0}}, ["scripted_pointer"]),
            (by_hand, {"scripted": {"clicks": 2.0}}, ["scripted_clicks"]),
            (by_hand, JUMPS, ["mouse_way", "mouse_moves"]),
            (straight, HAND_MOUSE, ["straight_legs"]),
            (round_at_one_pace, HAND_MOUSE, ["even_pace"]),
            (by_hand, SENT_KEYS, ["held_keys"]),
            (by_hand, HAND_KEYS, []),
        ],
    )
    def test_each_meets_what_it_is_about(self, make, given, names):
        assert met(visit(make, given)) == names

    def test_strokes_of_one_duration_are_even(self):
        lasting = visit(lambda seed: drawn(by_hand(seed).points[:, :2], np.linspace(2000, 2700, 24)))
        assert "even_durations" in met(lasting)

    def test_a_pause_that_is_always_the_same_is_even(self):
        first = by_hand(1)
        second = by_hand(2, start_ms=float(first.points[-1, 2]) + 80)
        work = visit(by_hand)
        same = tuple(replace(one, strokes=(first, second)) for one in work.judgements)
        assert "even_pauses" in met(replace(work, judgements=same))

    def test_a_few_strokes_say_nothing(self):
        few = visit(straight, JUMPS, trials=1)
        assert [one.found for one in measures(few) if one.about in {"strokes", "mouse"}] == [None] * 6

    def test_short_ways_of_the_mouse_say_nothing(self):
        dabs = {"mouse": {"presses": 9.0, "moves": 9.0, "path": 200.0, "straight": 200.0}}
        assert met(visit(by_hand, dabs)) == []


class TestEnough:
    @pytest.mark.parametrize(
        ("make", "given"),
        [
            (by_hand, {"controlled": {"webdriver": 1.0}}),
            (by_hand, {"trap": {"shown": 1.0, "presses": 1.0}}),
            (by_hand, {"scripted": {"presses": 1.0, "moves": 9.0}}),
            (straight, JUMPS),
            (round_at_one_pace, JUMPS),
            (straight, {"scripted": {"clicks": 2.0}}),
        ],
    )
    def test_a_proof_or_two_clues_raise_the_flag(self, make, given):
        (flag,) = automation(visit(make, given))
        assert flag.trial_id is None
        assert {one["name"] for one in flag.detail["evidence"]} == set(met(visit(make, given)))

    @pytest.mark.parametrize(
        ("make", "given"),
        [
            (by_hand, HAND_MOUSE),
            (by_hand, {"trap": {"shown": 1.0, "presses": 0.0}}),
            (by_hand, JUMPS),  # both numbers are about the mouse, and no stroke says anything
            (straight, HAND_MOUSE),
            (by_hand, JUMPS | SENT_KEYS),
        ],
    )
    def test_one_clue_or_clues_without_a_stroke_do_not(self, make, given):
        assert not is_flagged(visit(make, given))

    def test_pasting_is_noted_and_never_makes_a_flag_of_a_clue(self):
        pasted = replace(visit(straight), pasted=2)
        assert met(pasted) == ["straight_legs", "pasted"]
        assert not is_flagged(pasted)

    def test_nothing_is_not_enough(self):
        assert not is_enough([])

    @given(
        st.lists(st.integers(0, 10**6), min_size=1, max_size=12),
        st.floats(0, 300),
        st.integers(0, 5),
    )
    def test_a_visit_by_keyboard_alone_has_no_evidence_of_pointer_or_strokes(self, seeds, held, clicks):
        keys = {"keys": HAND_KEYS["keys"] | {"held_ms": held}, "scripted": {"clicks": float(clicks)}}
        work = visit(lambda number: by_keys(seeds[number % len(seeds)]), keys)
        assert {one.about for one in measures(work) if one.is_met} <= {"keys", "script"}
        assert not is_flagged(work)

    def test_a_screen_reader_that_moves_the_mouse_and_sends_keys_is_left_alone(self):
        assert not is_flagged(visit(by_keys, JUMPS | SENT_KEYS))

    def test_work_of_earlier_versions_gives_the_keyboard_the_benefit_of_the_doubt(self):
        assert met(visit(by_keys, {})) == []


class TestPace:
    def test_it_is_0_for_even_steps_and_grows_with_a_slow_start(self):
        path = np.column_stack([np.arange(11.0), np.zeros(11)])
        assert pace(drawn(path, np.arange(11) * 10)) == pytest.approx(0)
        assert pace(drawn(path, np.arange(11) ** 2)) == pytest.approx(0.25)

    @pytest.mark.parametrize(
        "stroke", [drawn([(5, 5)], [1]), drawn([(5, 5)] * 3, [1, 2, 3]), drawn([(0, 0), (9, 9)], [7, 7])]
    )
    def test_it_is_0_without_length_or_duration(self, stroke):
        assert pace(stroke) == 0


class TestSpread:
    def test_it_is_the_interquartile_range_of_the_median(self):
        assert spread([100.0] * 8) == 0
        assert spread(list(np.linspace(50, 150, 9))) == pytest.approx(0.5)

    def test_few_times_have_none_and_a_median_of_nothing_has_0(self):
        assert spread([100.0] * 7) is None
        assert spread([0.0] * 8) == 0
