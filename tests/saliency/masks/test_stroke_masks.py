"""Brush and eraser masks against a slow reference in integers, where ties are exact."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saliency import Stroke, rasterize
from saliency.masks.bounds import painted_bounds

WIDTH, HEIGHT = 40, 32
UNITS = 8  # test points lie on eighths of a pixel, so that exact ties are common


def stroke(tool, radius, *points):
    return Stroke(tool=tool, radius=radius, points=np.array([(x, y, 0) for x, y in points], dtype=np.float64))


def brush(radius, *points):
    return stroke("brush", radius, *points)


def mask_of(*strokes, width=WIDTH, height=HEIGHT):
    return rasterize(strokes, width=width, height=height)


def centres(width, height):
    """Pixel centres in units of 1/8 px, as integers."""
    y, x = np.mgrid[:height, :width]
    return UNITS * x + UNITS // 2, UNITS * y + UNITS // 2


def near_segment(start, end, radius, *, width, height):
    """Whether distance <= radius, in integers: |p - a|^2 or cross^2 / length^2 against radius^2."""
    x, y = centres(width, height)
    (ax, ay), (bx, by), r = (
        *(np.rint(np.multiply(p, UNITS)).astype(int) for p in (start, end)),
        round(radius * UNITS),
    )
    dx, dy = bx - ax, by - ay
    along = (x - ax) * dx + (y - ay) * dy
    from_start = (x - ax) ** 2 + (y - ay) ** 2 <= r * r
    from_end = (x - bx) ** 2 + (y - by) ** 2 <= r * r
    length = dx * dx + dy * dy
    beside = (along >= 0) & (along <= length) & (((x - ax) * dy - (y - ay) * dx) ** 2 <= r * r * length)
    return from_start | from_end | (beside if length else False)


def reference(strokes, *, width=WIDTH, height=HEIGHT):
    mask = np.zeros((height, width), dtype=bool)
    for one in strokes:
        points = one.points[:, :2]
        pairs = list(pairwise(points)) or [(points[0], points[0])]
        ink = np.any([near_segment(a, b, one.radius, width=width, height=height) for a, b in pairs], axis=0)
        mask = mask & ~ink if one.tool == "eraser" else mask | ink
    return mask.astype(np.uint8)


eighths = st.integers(-12 * UNITS, 52 * UNITS).map(lambda n: n / UNITS)
points_on_eighths = st.lists(st.tuples(eighths, eighths), min_size=1, max_size=7)
radii = st.integers(UNITS // 2, 20 * UNITS).map(lambda n: n / UNITS)
painted = st.builds(
    lambda tool, radius, points: stroke(tool, radius, *points),
    st.sampled_from(["brush", "brush", "eraser"]),
    radii,
    points_on_eighths,
)

painted_or_enclosed = painted | st.builds(
    lambda points: stroke("lasso", 300, *points),  # a lasso has no radius, whatever it says
    points_on_eighths,
)


class TestBrushAndEraser:
    @settings(max_examples=300, deadline=None)
    @given(st.lists(painted, max_size=4))
    def test_every_pixel_is_exactly_the_definition(self, strokes):
        np.testing.assert_array_equal(mask_of(*strokes), reference(strokes))

    @pytest.mark.parametrize("radius", [0.5, 1, 2, 7.25, 25, 60, 200])
    def test_a_point_is_a_disc_of_any_radius(self, radius):
        disc = brush(radius, (30.5, 22.25))
        np.testing.assert_array_equal(
            mask_of(disc, width=300, height=260), reference([disc], width=300, height=260)
        )

    def test_random_real_valued_strokes_on_a_large_image(self):
        rng = np.random.default_rng(7)
        strokes = [brush(r, *rng.uniform(-50, 450, (9, 2))) for r in (0.5, 3.7, 19.3, 110.0)]
        y, x = np.mgrid[:300, :400] + 0.5
        for one in strokes:
            nearest = np.min([_distance(x, y, a, b) for a, b in _pairs(one)], axis=0)
            np.testing.assert_array_equal(mask_of(one, width=400, height=300), nearest <= one.radius)

    def test_a_centre_exactly_at_the_radius_is_inside(self):
        assert mask_of(brush(5, (8.5, 8.5)))[8 + 3, 8 + 4] == 1

    def test_a_point_painted_a_thousand_times_stays_painted(self):
        assert mask_of(brush(3, *[(9, 9)] * 1000))[9, 9] == 1

    def test_repeated_points_change_nothing(self):
        twice = brush(3, (5, 5), (5, 5), (20, 9), (20, 9), (20, 9))
        np.testing.assert_array_equal(mask_of(twice), mask_of(brush(3, (5, 5), (20, 9))))

    def test_x_is_the_column_and_y_the_row(self):
        assert np.argwhere(mask_of(brush(0.5, (30.5, 3.5)))).tolist() == [[3, 30]]

    def test_a_stroke_outside_the_image_paints_nothing(self):
        assert not mask_of(brush(5, (-100, -100), (-100, 500))).any()

    def test_overlaps_count_once(self):
        assert mask_of(*[brush(6, (10, 10), (20, 20))] * 5).max() == 1

    def test_an_eraser_clears_only_what_came_before_it(self):
        line, rubber = brush(4, (5, 10), (30, 10)), stroke("eraser", 30, (16, 10))
        assert not mask_of(line, rubber).any()
        np.testing.assert_array_equal(mask_of(rubber, line), mask_of(line))

    def test_an_eraser_alone_leaves_a_blank_mask(self):
        assert not mask_of(stroke("eraser", 9, (9, 9))).any()

    def test_no_stroke_is_a_blank_mask_of_the_image_size(self):
        assert mask_of().shape == (HEIGHT, WIDTH)
        assert mask_of().dtype == np.uint8

    def test_a_stroke_cut_into_memory_sized_batches_is_the_same(self, monkeypatch):
        one = brush(3, *np.random.default_rng(1).uniform(0, 40, (500, 2)))
        whole = mask_of(one)
        monkeypatch.setattr("saliency.masks.brushes.ENDS_AT_ONCE", 1)
        np.testing.assert_array_equal(mask_of(one), whole)


def bounds(*strokes, width=WIDTH, height=HEIGHT):
    return painted_bounds(strokes, width=width, height=height)


class TestBounds:
    @settings(max_examples=500, deadline=None)
    @given(st.lists(painted_or_enclosed, max_size=4))
    def test_what_is_painted_lies_between_them(self, strokes):
        least, most = bounds(*strokes)
        assert least <= mask_of(*strokes).sum() <= most

    @settings(max_examples=300, deadline=None)
    @given(st.lists(painted_or_enclosed, max_size=4), st.sampled_from([(1, 1), (61, 7), (5, 83)]))
    def test_so_it_does_on_images_of_any_shape(self, strokes, size):
        width, height = size
        least, most = bounds(*strokes, width=width, height=height)
        assert least <= mask_of(*strokes, width=width, height=height).sum() <= most

    def test_a_square_in_a_dabs_disc_is_known_to_be_painted(self):
        assert bounds(brush(8, (20, 16)))[0] == 12 * 11  # of sides 11.3 px long

    @pytest.mark.parametrize(("end", "least"), [((36, 16), 26 * 4), ((4, 28), 15 * 4)])
    def test_of_a_line_a_swath_is_known(self, end, least):
        assert bounds(brush(3, (14, 16), end))[0] >= least

    def test_an_eraser_leaves_nothing_certain(self):
        line, rubber = brush(4, (5, 10), (30, 10)), stroke("eraser", 0.5, (16, 10))
        assert bounds(line, rubber)[0] == 0
        assert bounds(rubber, line) == bounds(line)

    def test_at_most_strokes_cover_their_rectangles(self):
        assert bounds(brush(4, (10, 10)), brush(2, (20, 20), (24, 20)))[1] == 8 * 8 + 8 * 4

    def test_nothing_is_nothing(self):
        assert bounds() == bounds(brush(5, (-100, -100), (-90, -100))) == (0, 0)


def _pairs(one):
    return zip(one.points[:-1, :2], one.points[1:, :2], strict=True)


def _distance(x, y, a, b):
    run = b - a
    t = np.clip(((x - a[0]) * run[0] + (y - a[1]) * run[1]) / (run @ run), 0, 1)
    return np.hypot(x - a[0] - t * run[0], y - a[1] - t * run[1])
