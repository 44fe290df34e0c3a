"""What a participant sees is what is stored: the page and the server paint, judge and limit alike."""

import itertools

import numpy as np
import pytest

from app.errors import BadInput
from app.trials.decisions import PAINT_SOMETHING
from app.trials.paintings import check_rule, read_painting
from app.trials.schemas import AnnotationRule
from saliency.masks.rasterizing import rasterize
from saliency.masks.strokes import MAX_RADIUS_PX, MIN_RADIUS_PX, parse_strokes
from saliency.masks.work import MAX_WORK, work
from tests.support.drawings import SHAPES, SIDE, drawing, lasso, stroke
from tests.support.page import ask

SIZE = {"width": SIDE, "height": SIDE}
LASSOS = [lasso(seed) for seed in range(24 * len(SHAPES))]
DRAWINGS = [drawing(seed) for seed in range(200)]
RULES = [
    {"min_strokes": strokes, "min_area": low, "max_area": high}
    for strokes, (low, high) in itertools.product((0, 1, 3), ((0.0, 1.0), (0.05, 0.3), (0.3, 1.0)))
]
ERASED = [
    [],
    [stroke("eraser", np.array([[5.0, 5.0]]), radius=9)],
    [stroke(tool, np.array([[5.0, 5.0]]), radius=9) for tool in ("brush", "eraser")],
    [stroke("brush", np.array([[-90.0, 5.0]]), radius=9)],
    [stroke("lasso", np.array([[5.1, 5.1], [9.1, 5.2], [7.3, 5.15]]))],
]


def mask_of(strokes, *, width=SIDE, height=SIDE):
    parsed = parse_strokes(strokes, width=width, height=height)
    return "".join(map(str, rasterize(parsed, width=width, height=height).ravel()))


def of_page(question, drawings, **about):
    return ask([{"question": question, **SIZE, **about, "strokes": strokes} for strokes in drawings])


def is_taken(strokes, rule):
    """Whether the server takes the strokes."""
    try:
        check_rule(rule, read_painting(strokes, (SIDE, SIDE)))
    except BadInput:
        return False
    return True


class TestMasks:
    @pytest.mark.parametrize("shape", range(len(SHAPES)), ids=[shape.__name__ for shape in SHAPES])
    def test_the_page_encloses_what_the_server_encloses(self, shape):
        lassos = [[one] for one in LASSOS[shape :: len(SHAPES)]]
        assert of_page("mask", lassos) == [mask_of(strokes) for strokes in lassos]

    def test_the_page_paints_and_erases_what_the_server_does(self):
        assert of_page("mask", DRAWINGS) == [mask_of(strokes) for strokes in DRAWINGS]

    @pytest.mark.parametrize(("width", "height"), [(61, 7), (5, 83), (1, 1)])
    def test_they_agree_on_images_of_any_shape(self, width, height):
        size = {"width": width, "height": height}
        assert of_page("mask", DRAWINGS, **size) == [mask_of(strokes, **size) for strokes in DRAWINGS]


class TestRule:
    @pytest.mark.parametrize("rule", RULES, ids=lambda rule: "-".join(map(str, rule.values())))
    def test_the_server_takes_what_the_page_lets_pass_and_nothing_else(self, rule):
        drawings = [*ERASED, *DRAWINGS[:60]]
        lacks = of_page("missing", drawings, rule=rule)
        assert [lack is None for lack in lacks] == [is_taken(one, AnnotationRule(**rule)) for one in drawings]

    def test_so_it_is_in_a_region_check(self):
        drawings = [*ERASED, *DRAWINGS[:60]]
        lacks = of_page("missing", drawings, rule=RULES[-1], kind="check")
        assert [lack is None for lack in lacks] == [is_taken(one, PAINT_SOMETHING) for one in drawings]


class TestLimits:
    def test_every_brush_of_the_page_is_one_that_the_server_takes(self):
        [[smallest, largest]] = ask([{"question": "brush"}])
        assert MIN_RADIUS_PX <= smallest < largest <= MAX_RADIUS_PX

    def test_both_count_the_same_work(self):
        drawings = [*DRAWINGS, *([one] for one in LASSOS), *ERASED]
        assert of_page("work", drawings) == pytest.approx([work_of(strokes) for strokes in drawings])

    def test_a_drawing_that_the_page_keeps_is_never_too_much_for_the_server(self):
        """Strokes whose outlines come to a few px less than the limit, and to a few more."""
        lengths = [MAX_WORK / 4 + more for more in range(-6, 3)]
        pairs = [[straight(length, radius=1.0), straight(length, radius=1.0)] for length in lengths]
        kept = [excess is None for excess in of_page("excess", pairs, rule=RULES[0], width=16_000)]
        assert not kept[-1]
        assert kept[0]
        for strokes in itertools.compress(pairs, kept):
            assert parse_strokes(strokes, width=16_000, height=SIDE)


def work_of(strokes):
    parsed = parse_strokes(strokes, width=SIDE, height=SIDE)
    outlines = [one.points[:, :2] for one in parsed if one.tool == "lasso"]
    lines = [(one.points[:, :2], one.radius) for one in parsed if one.tool != "lasso"]
    return work(lines, outlines, width=SIDE)


def straight(length, *, radius):
    """There and back, as often as it takes, so that it turns by half a circle each time."""
    legs = int(length // 20_000) + 1
    far = (length - np.pi * radius * legs - 5 * (legs + 1)) / legs
    return stroke("brush", np.array([[far * (leg % 2), 5.0] for leg in range(legs + 1)]), radius=radius)
