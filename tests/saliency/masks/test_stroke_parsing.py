"""The border where strokes come in: what is accepted, and what each refusal says."""

import json

import numpy as np
import pytest

from saliency import StrokeError, parse_strokes
from saliency.masks.strokes import MAX_POINTS, MAX_RADIUS_PX, MAX_STROKES


def parse(value):
    return parse_strokes(value, width=100, height=80)


def entry(**changes):
    return {"tool": "brush", "radius": 10, "points": [[1, 2, 3], [4.5, 5, 6]]} | changes


class TestParseStrokes:
    def test_it_keeps_order_tool_radius_and_points(self):
        brush, eraser = parse([entry(), entry(tool="eraser", radius=2.5)])
        assert (brush.tool, brush.radius, eraser.tool, eraser.radius) == ("brush", 10, "eraser", 2.5)
        np.testing.assert_array_equal(brush.points, [[1, 2, 3], [4.5, 5, 6]])

    def test_no_strokes_are_an_annotation_without_ink(self):
        assert parse([]) == ()

    def test_the_json_form_is_read_back_unchanged(self):
        strokes = [entry(), entry(tool="lasso", radius=0.0)]
        assert [one.to_json() for one in parse(json.loads(json.dumps(strokes)))] == strokes

    def test_points_cannot_be_changed_afterwards(self):
        with pytest.raises(ValueError, match="read-only"):
            parse([entry()])[0].points[0, 0] = 9

    def test_a_pointer_may_leave_the_image_and_time_may_stand_still_or_run_backwards(self):
        assert len(parse([entry(points=[[-500, 900, 5], [0, 0, 5], [0, 0, -1]])])) == 1

    @pytest.mark.parametrize(
        ("strokes", "message"),
        [
            ({"tool": "brush"}, "strokes must be a list, not dict"),
            (None, "strokes must be a list, not null"),
            ([entry(), 7], "stroke 1 must be an object, not int"),
            ([{"tool": "brush", "radius": 4}], "stroke 0: points is missing"),
            ([entry(colour="red")], "stroke 0: 'colour' is not a field of a stroke"),
            ([entry(tool="pencil")], "stroke 0: tool must be one of brush, lasso, eraser, not 'pencil'"),
            ([entry(tool=["brush"])], "stroke 0: tool must be one of"),
            ([entry(radius=0)], "stroke 0: radius must be a number from 0.5 to 512, not 0"),
            ([entry(radius=True)], "stroke 0: radius must be a number"),
            ([entry(radius=float("nan"))], "stroke 0: radius must be a number from 0.5 to 512, not nan"),
            ([entry(radius=10**400)], "stroke 0: radius .* not a very large integer"),
            ([entry(radius=MAX_RADIUS_PX + 1)], "stroke 0: radius"),
            ([entry(tool="lasso", radius=-1)], "stroke 0: radius must be a number from 0 to 512, not -1"),
            ([entry(points=[])], "stroke 0: points must be a list of at least one"),
            ([entry(points="[[1,2,3]]")], "stroke 0: points must be a list"),
            ([entry(points=[[1, 2, 3], [1, 2]])], r"stroke 0: points\[1\] must be three numbers"),
            ([entry(points=[[1, "2", 3]])], r"stroke 0: points\[0\] must be three numbers"),
            ([entry(points=[[1, False, 3]])], r"stroke 0: points\[0\] must be three numbers"),
            ([entry(points=[[1, 2, 3], [float("nan"), 2, 3]])], r"stroke 0: points\[1\] has x = nan"),
            ([entry(points=[[1, float("inf"), 3]])], r"stroke 0: points\[0\] has y = inf"),
            ([entry(points=[[1, 2, 1e300]])], r"stroke 0: points\[0\] has t_ms = 1e\+300"),
            ([entry(points=[[1e6, 2, 3]])], r"stroke 0: points\[0\] has x = 1e\+06, outside -16384 to 16484"),
            ([entry(points=[[10**400, 2, 3]])], "stroke 0: points holds a number that is too large"),
        ],
    )
    def test_a_refusal_names_the_stroke_and_the_field(self, strokes, message):
        with pytest.raises(StrokeError, match=message):
            parse(strokes)

    def test_too_many_strokes_are_refused(self):
        with pytest.raises(StrokeError, match=f"at most {MAX_STROKES}"):
            parse([entry()] * (MAX_STROKES + 1))

    def test_too_many_points_are_refused_before_they_are_read(self):
        with pytest.raises(StrokeError, match=f"at most {MAX_POINTS}"):
            parse([entry(points=["no point"] * (MAX_POINTS + 1))])
