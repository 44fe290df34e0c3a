"""Whether an annotation is enough: its pixels are worked out when nothing less can tell."""

import pytest

from app.errors import AnnotationMissing, AnnotationTooLarge, AnnotationTooSmall, BadInput
from app.trials.paintings import Painting, check_rule, read_painting
from app.trials.schemas import AnnotationRule
from saliency.masks.rasterizing import painted
from tests.support.drawings import SIDE, drawing

SIZE = (512, 512)
USUAL = AnnotationRule(min_strokes=1, min_area=0.001, max_area=0.8)


def drawn(tool, *points, radius=20):
    return {"tool": tool, "radius": radius, "points": [[x, y, 0] for x, y in points]}


LINE = drawn("brush", (100, 100), (220, 140))


@pytest.fixture
def worked_out(monkeypatch):
    """The annotations whose pixels were worked out."""
    asked = []

    def watched(strokes, **size):
        asked.append(strokes)
        return painted(strokes, **size)

    monkeypatch.setattr("app.trials.paintings.painted", watched)
    return asked


class TestRule:
    @pytest.mark.parametrize(
        "strokes",
        [[LINE], [drawn("lasso", (50, 50), (90, 50), (90, 90)), LINE], [drawn("eraser", (100, 100)), LINE]],
        ids=["a line", "a line after an outline", "a line after an eraser"],
    )
    def test_a_line_in_the_picture_is_enough_without_its_pixels(self, strokes, worked_out):
        check_rule(USUAL, read_painting(strokes, SIZE))
        assert worked_out == []

    @pytest.mark.parametrize(
        ("strokes", "error"),
        [
            ([LINE, drawn("eraser", (100, 100), (220, 140), radius=40)], AnnotationTooSmall),
            ([drawn("brush", (100, 100), radius=4)], AnnotationTooSmall),
            ([drawn("brush", (256, 256), radius=400)], AnnotationTooLarge),
        ],
        ids=["erased", "a dot", "everything"],
    )
    def test_what_is_not_certain_is_worked_out_and_refused(self, strokes, error, worked_out):
        with pytest.raises(error):
            check_rule(USUAL, read_painting(strokes, SIZE))
        assert len(worked_out) == 1

    def test_something_must_be_left_even_without_a_rule_about_area(self):
        rule = AnnotationRule(min_strokes=1, min_area=0, max_area=1)
        with pytest.raises(AnnotationMissing):
            check_rule(rule, read_painting([LINE, drawn("eraser", (160, 120), radius=200)], SIZE))

    @pytest.mark.parametrize("area", [(0, 1), (0.02, 0.5), (0.3, 1), (0, 0.1)], ids=str)
    def test_the_pixels_would_have_said_the_same(self, area, monkeypatch):
        low, high = area
        rule = AnnotationRule(min_strokes=1, min_area=low, max_area=high)
        drawings = [drawing(seed) for seed in range(300)]
        quick = [verdict(rule, strokes) for strokes in drawings]
        monkeypatch.setattr(Painting, "area_bounds", (0.0, 1.0))
        assert quick == [verdict(rule, strokes) for strokes in drawings]


def verdict(rule, strokes):
    try:
        check_rule(rule, read_painting(strokes, (SIDE, SIDE)))
    except BadInput as error:
        return type(error)
    return None
