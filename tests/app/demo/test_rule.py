"""Simulated annotations against the rules that a study may have."""

import numpy as np
import pytest

from app.demo.regions import look_at
from app.demo.rule import paint_by
from app.demo.strokes import any_hand, paint
from app.errors import AnnotationTooSmall
from app.trials.paintings import check_rule, read_painting
from app.trials.schemas import AnnotationRule

DEFAULT = AnnotationRule(min_strokes=1, min_area=0.001, max_area=0.8)


def annotation(seed: int, rule: AnnotationRule, *, size=(512, 512), face=None):
    rng = np.random.default_rng(seed)
    places = look_at(rng, said="fake", face=face, size=size, count=1)
    return paint_by(rule, rng, any_hand(rng), places, size=size, start_ms=1000.0)


def accepts(rule: AnnotationRule, strokes, size) -> bool:
    try:
        check_rule(rule, read_painting(strokes, size))
    except AnnotationTooSmall:
        return False
    return True


class TestRule:
    @pytest.mark.parametrize(
        "rule",
        [
            DEFAULT,
            AnnotationRule(min_strokes=0, min_area=0.0, max_area=1.0),
            AnnotationRule(min_strokes=5, min_area=0.01, max_area=0.05),
            AnnotationRule(min_strokes=100, min_area=0.001, max_area=0.8),
            AnnotationRule(min_strokes=1, min_area=0.9, max_area=0.95),
            AnnotationRule(min_strokes=3, min_area=0.0005, max_area=0.002),
            AnnotationRule(min_strokes=1, min_area=0.2, max_area=0.21),
        ],
    )
    @pytest.mark.parametrize("size", [(512, 512), (1024, 768), (160, 200)])
    def test_every_annotation_is_accepted(self, rule, size):
        for seed in range(12):
            check_rule(rule, read_painting(annotation(seed, rule, size=size), size))

    def test_so_is_one_that_would_be_refused_as_it_was_begun(self, monkeypatch):
        monkeypatch.setattr("app.demo.strokes.DAB_SHARE", 1.0)
        rule = DEFAULT.model_copy(update={"min_area": 0.004})
        place, size, refused = (200.0, 200.0, 24.0, 20.0), (512, 512), 0
        for seed in range(40):
            rng, again = (np.random.default_rng(seed) for _ in range(2))
            refused += not accepts(rule, paint(rng, any_hand(rng), [place], width=512, start_ms=0), size)
            painted = paint_by(rule, again, any_hand(again), [place], size=size, start_ms=0)
            assert accepts(rule, painted, size)
        assert refused > 5

    def test_what_is_accepted_at_once_is_left_as_it_was_painted(self):
        rng, again = np.random.default_rng(2), np.random.default_rng(2)
        places = [(96.0, 130.0, 90.0, 60.0)]
        plain = paint(rng, any_hand(rng), places, width=512, start_ms=1000.0)
        assert paint_by(DEFAULT, again, any_hand(again), places, size=(512, 512), start_ms=1000.0) == plain

    def test_times_rise_from_stroke_to_stroke(self):
        rule = AnnotationRule(min_strokes=8, min_area=0.02, max_area=0.3)
        times = [point[2] for stroke in annotation(3, rule) for point in stroke["points"]]
        assert times == sorted(times)
