from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from app.demo.regions import PLACES, SHARES, look_at
from app.demo.strokes import PaintingHand, any_hand, paint
from saliency.masks.rasterizing import rasterize
from saliency.masks.strokes import parse_strokes

SIZE = 320
EYE = (96.0, 130.0, 48.0, 30.0)


def annotation(seed: int, *, regions: list[Any] | None = None) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    regions = [EYE] if regions is None else regions
    return paint(rng, any_hand(rng), regions, width=SIZE, start_ms=1500.0)


def many() -> list[dict[str, Any]]:
    return [stroke for seed in range(120) for stroke in annotation(seed)]


def times(stroke: dict[str, Any]) -> np.ndarray:
    return np.array(stroke["points"])[:, 2]


class TestPaint:
    def test_its_strokes_are_strokes(self):
        for seed in range(60):
            assert parse_strokes(annotation(seed), width=SIZE, height=SIZE)

    def test_most_of_the_paint_is_where_it_was_meant_to_be(self):
        near = np.zeros((SIZE, SIZE), bool)
        near[100:190, 66:174] = True
        masks = [
            rasterize(parse_strokes(annotation(s), width=SIZE, height=SIZE), width=SIZE, height=SIZE)
            for s in range(40)
        ]
        assert sum(m[near].sum() for m in masks) > 0.95 * sum(m.sum() for m in masks)

    def test_times_rise_by_eight_to_sixteen_milliseconds(self):
        steps = np.concatenate([np.diff(times(stroke)) for stroke in many()])
        assert steps.min() > 7.8
        assert steps.max() < 16.2

    def test_a_stroke_begins_after_the_one_before_has_ended(self):
        for seed in range(60):
            strokes = annotation(seed)
            assert all(times(b)[0] > times(a)[-1] for a, b in pairwise(strokes))

    def test_the_first_stroke_begins_when_it_is_told_to(self):
        assert times(annotation(3)[0])[0] == 1500.0

    def test_speed_varies_within_a_stroke_as_it_does_in_recordings(self):
        variations = []
        for stroke in many():
            points = np.array(stroke["points"])
            if len(points) >= 8:
                speed = np.hypot(*np.diff(points[:, :2], axis=0).T) / np.diff(points[:, 2])
                variations.append(speed.std() / speed.mean())
        # Half of the recorded strokes lie between 0.54 and 0.75 (docs/simulation.md).
        assert 0.5 < np.median(variations) < 0.8

    def test_all_three_tools_and_tiny_dabs_occur(self):
        strokes = many()
        assert {stroke["tool"] for stroke in strokes} == {"brush", "lasso", "eraser"}
        assert any(len(stroke["points"]) <= 3 for stroke in strokes)

    def test_an_eraser_never_comes_first(self):
        assert "eraser" not in {annotation(seed)[0]["tool"] for seed in range(200)}

    def test_the_same_seed_paints_the_same(self):
        assert annotation(4) == annotation(4)

    def test_nowhere_to_paint_is_no_stroke(self):
        assert annotation(1, regions=[]) == []

    def test_a_faster_hand_takes_less_time(self):
        def duration(pace: float) -> float:
            hand = PaintingHand(brush=0.026, pace=pace, care=0.5)
            strokes = paint(np.random.default_rng(7), hand, [EYE] * 8, width=SIZE, start_ms=0)
            return sum(times(stroke)[-1] - times(stroke)[0] for stroke in strokes)

        assert duration(2.0) < 0.7 * duration(1.0)


class TestLookAt:
    @pytest.mark.parametrize("said", ["real", "fake"])
    def test_every_region_lies_in_the_picture(self, said: str):
        rng = np.random.default_rng(0)
        for _ in range(100):
            for x, y, w, h in look_at(rng, said=said, face=(10, 10, 300, 310), size=(SIZE, SIZE), count=3):
                assert 0 <= x <= x + w <= SIZE
                assert 0 <= y <= y + h <= SIZE

    def test_a_face_without_a_box_is_taken_to_be_in_the_middle(self):
        places = look_at(np.random.default_rng(1), said="real", face=None, size=(512, 512), count=2)
        assert len(places) == 2

    def test_the_shares_of_each_answer_add_up(self):
        assert all(sum(shares.values()) == pytest.approx(1) for shares in SHARES.values())
        assert all(set(shares) == set(PLACES) for shares in SHARES.values())

    def test_who_says_fake_looks_at_the_rim_more_often(self):
        assert (
            SHARES["fake"]["boundary"] + SHARES["fake"]["ear"]
            > SHARES["real"]["boundary"] + SHARES["real"]["ear"]
        )
