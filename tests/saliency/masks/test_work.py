"""What strokes cost, told before they are drawn."""

import numpy as np
import pytest

from saliency import StrokeError, parse_strokes
from saliency.masks.brushes import Frame, ThickLines, path_ends
from saliency.masks.rasterizing import painted
from saliency.masks.work import MAX_WORK, work


def line(*points, radius=1.0):
    return np.array(points, dtype=np.float64), radius


def work_of(*lines, outlines=(), width=100):
    return work(lines, [np.array(one, dtype=np.float64) for one in outlines], width=width)


def zigzag(n):
    return [
        [x, 100.0 * (i % 2), 0] for i, x in enumerate(np.random.default_rng(n).uniform(0, 100, n).tolist())
    ]


def wandering(seed, *, step):
    turns = np.cumsum(np.random.default_rng(seed).normal(0, 0.35, 60))
    path = 500 + np.cumsum(step * np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0)
    return [[*place, 0] for place in path.round(1).tolist()]


def parse(*strokes, side=100):
    return parse_strokes(list(strokes), width=side, height=side)


def stroke(tool, points, radius=1.0):
    return {"tool": tool, "radius": radius, "points": points}


class TestWork:
    def test_a_dab_costs_its_point_and_its_circle(self):
        assert work_of(line((5, 5), radius=10)) == pytest.approx(10 + 2 * np.pi * 10)

    def test_a_line_goes_there_and_back_and_round_its_ends(self):
        assert work_of(line((0, 0), (30, 40), radius=2)) == pytest.approx(20 + 2 * 50 + 2 * np.pi * 2)

    def test_a_turn_goes_round_the_corner_on_both_sides(self):
        straight, turned = line((0, 0), (10, 0), (20, 0)), line((0, 0), (10, 0), (10, 10))
        assert work_of(turned) - work_of(straight) == pytest.approx(2 * np.pi / 2)

    def test_a_point_that_repeats_the_one_before_costs_no_more_than_itself(self):
        once, twice = line((0, 0), (10, 0), (10, 10)), line((0, 0), (10, 0), (10, 0), (10, 10), (10, 10))
        assert work_of(twice) - work_of(once) == pytest.approx(2 * 10)

    def test_a_lasso_counts_where_edges_meet_corners_and_columns(self):
        """Corners at x = 2, 5, 8 and columns at 2.5 … 7.5: one edge meets 9 levels, the others 5 each."""
        assert work_of(outlines=[[(2, 0), (8, 0), (5, 9)]]) == 30 + 4 * (9 + 5 + 5)

    def test_columns_outside_the_image_do_not_count(self):
        assert work_of(outlines=[[(2, 0), (8, 0), (5, 9)]], width=3) == 30 + 4 * (4 + 3 + 2)

    def test_strokes_add_up(self):
        lines, outlines = (
            [line((0, 0), (9, 9)), line((5, 5), radius=3)],
            [[(2, 0), (8, 0), (5, 9)], [(0, 0), (3, 3), (1, 9)]],
        )
        alone = sum(work_of(one) for one in lines) + sum(work_of(outlines=[one]) for one in outlines)
        assert work_of(*lines, outlines=outlines) == pytest.approx(alone)

    def test_nothing_costs_nothing(self):
        assert work_of() == 0

    @pytest.mark.parametrize("radius", [0.5, 7.0, 60.0])
    def test_it_bounds_what_is_worked_out(self, radius):
        """Each px of outline gives at most one end of a span, and each point a few more for rounding."""
        for seed in range(20):
            points = np.random.default_rng(seed).uniform(-20, 320, (60, 2))
            paths = ThickLines.of([(points, radius)], np.zeros(1, dtype=np.int64))
            ends = sum(len(part) for part in path_ends(paths, Frame(300, 300)))
            assert ends <= work_of((points, radius)) + 8 * len(points)


class TestLimit:
    def test_an_outline_that_crosses_itself_too_often_is_refused(self):
        with pytest.raises(StrokeError, match=f"at most {MAX_WORK} are accepted"):
            parse(stroke("lasso", zigzag(2000)))

    def test_strokes_that_are_too_much_together_are_refused(self):
        wide = stroke("brush", [[50, 50, 0]], radius=500)
        assert parse(*[wide] * 95)
        with pytest.raises(StrokeError, match="come to 472739 px of work"):
            parse(*[wide] * 150)

    def test_a_hand_that_fills_a_face_with_small_strokes_is_not_refused(self):
        """A hundred strokes of 700 px each, wandering over a face of 1024 px with a brush of 50 px."""
        hand = [stroke("brush", wandering(seed, step=12.0), 25.0) for seed in range(100)]
        assert parse(*hand, side=1024)

    def test_a_hand_that_scribbles_with_the_lasso_is_not_refused(self):
        """Some ten seconds to and fro over a cheek."""
        turns = np.linspace(0, 50 * 2 * np.pi, 500)
        path = np.stack([400 + 60 * np.sin(turns) + turns / 9, 500 + 40 * np.sin(turns * 1.03)], axis=1)
        assert parse(stroke("lasso", [[*place, 0] for place in path.round(1).tolist()], 0.0), side=1024)

    def test_strokes_at_the_limit_are_painted(self):
        strokes = parse(stroke("lasso", zigzag(400)), stroke("brush", [[50, 50, 0]], radius=30))
        assert painted(strokes, width=100, height=100).length > 9000
