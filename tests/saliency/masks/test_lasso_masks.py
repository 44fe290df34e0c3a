"""Lasso masks against a slow reference in fractions that finds every crossing and every cell between them."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saliency import Stroke, rasterize
from saliency.masks.rasterizing import rasterize_ink, rasterize_inks

SIDE = 10
TILT = Fraction(1, 1_000_003)  # x += y * TILT leaves no edge upright and changes no topology


def lasso(*points):
    return Stroke(tool="lasso", radius=0.0, points=np.array([(x, y, 0) for x, y in points], dtype=np.float64))


def mask_of(*points, side=SIDE):
    return rasterize([lasso(*points)], width=side, height=side)


def bay(outer, inner):
    """A ring with a bay: its opening lies below y = `outer`, at the far end `inner`, and above y = 5."""
    above = [(1, 1), (9, 1), (9, outer), (8, inner), (8, 2), (2, 2)]
    return [*above, (2, 8), (8, 8), (8, 5), (9, 5), (9, 9), (1, 9)]


def cross(a, b):
    return a[0] * b[1] - a[1] * b[0]


def minus(a, b):
    return a[0] - b[0], a[1] - b[1]


def tilted(x, y):
    return Fraction(x) + Fraction(y) * TILT, Fraction(y)


class Plane:
    """The plane cut into upright strips at every corner and crossing, and strips into cells by the edges.

    Inside a strip edges do not cross, so they order it from top to bottom. Cells of neighbouring strips are
    one region where they share more than a point of the cut.
    """

    def __init__(self, points):
        self.corners = corners = [tilted(x, y) for x, y in points]
        closed = zip(corners, corners[1:] + corners[:1], strict=True)
        self.edges = [tuple(sorted(edge)) for edge in closed if edge[0] != edge[1]]
        inner = {x for x, _ in corners} | {x for e in self.edges for f in self.edges for x in meeting(e, f)}
        self.cuts = [min(inner) - 1, *sorted(inner), max(inner) + 1]
        self.strips = [self.order(a, b) for a, b in pairwise(self.cuts)]
        self.region = {(i, k): (i, k) for i, strip in enumerate(self.strips) for k in range(len(strip) + 1)}
        for i, x in enumerate(self.cuts[1:-1]):
            self.join(i, x)

    def order(self, left, right):
        over = [e for e in self.edges if e[0][0] <= left and right <= e[1][0]]
        middle = (left + right) / 2
        return [edge for _, edge in sorted({height(e, middle): e for e in over}.items())]

    def join(self, i, x):
        for k, (a, b) in enumerate(gaps(self.strips[i], x)):
            for m, (c, d) in enumerate(gaps(self.strips[i + 1], x)):
                if max(a, c) < min(b, d):
                    self.region[self.find((i, k))] = self.find((i + 1, m))

    def find(self, cell):
        while self.region[cell] != cell:
            cell = self.region[cell]
        return cell

    def encloses(self, x, y):
        if (x, y) in self.corners or any(edge_holds(edge, (x, y)) for edge in self.edges):
            return True
        for i, (left, right) in enumerate(pairwise(self.cuts)):
            if left <= x <= right:
                cell = sum(height(edge, x) < y for edge in self.strips[i])
                return self.find((i, cell)) != self.find((0, 0))
        return False


def meeting(one, two):
    r, s, gap = minus(one[1], one[0]), minus(two[1], two[0]), minus(two[0], one[0])
    turn = cross(r, s)
    if turn and 0 <= cross(gap, s) / turn <= 1 and 0 <= cross(gap, r) / turn <= 1:
        yield one[0][0] + cross(gap, s) / turn * r[0]


def height(edge, x):
    (ax, ay), (bx, by) = edge
    return ay + (x - ax) * (by - ay) / (bx - ax)


def gaps(strip, x):
    heights = [Fraction(-(10**6)), *(height(edge, x) for edge in strip), Fraction(10**6)]
    return list(pairwise(heights))


def edge_holds(edge, point):
    return edge[0][0] <= point[0] <= edge[1][0] and not cross(minus(edge[1], edge[0]), minus(point, edge[0]))


def reference(points, *, side=SIDE):
    plane, mask = Plane(points), np.zeros((side, side), dtype=np.uint8)
    for row, column in np.ndindex(side, side):
        mask[row, column] = plane.encloses(*tilted(column + 0.5, row + 0.5))
    return mask


def read(points):
    """Corners as the lasso reads them, to the nearest 2^-30 px."""
    return [tuple(Fraction(round(Fraction(value) * 2**30), 2**30) for value in point) for point in points]


def on_outline(points):
    """Centres that lie on the outline when its corners are tenths of a pixel exactly."""
    exact = [tuple(Fraction(str(value)) for value in point) for point in points]
    edges = [tuple(sorted(edge)) for edge in zip(exact, exact[1:] + exact[:1], strict=True)]
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for row, column in np.ndindex(SIDE, SIDE):
        centre = Fraction(2 * column + 1, 2), Fraction(2 * row + 1, 2)
        mask[row, column] = any(edge_holds(edge, centre) and within(edge, centre) for edge in edges)
    return mask


def within(edge, point):
    (_, one), (_, two) = edge
    return min(one, two) <= point[1] <= max(one, two)


halves = st.integers(-2, 2 * SIDE + 2).map(lambda n: n / 2)
reals = st.floats(-1, SIDE + 1, allow_subnormal=False).map(lambda x: round(x, 6))
tenths = st.integers(-10, 10 * SIDE + 10).map(lambda n: n / 10)
SQUARES = ((1, 1), (7, 1), (7, 7), (1, 7))


class TestLasso:
    @settings(max_examples=150, deadline=None)
    @given(st.lists(st.tuples(halves, halves), min_size=1, max_size=9))
    def test_corners_and_crossings_on_a_lattice(self, points):
        np.testing.assert_array_equal(mask_of(*points), reference(points))

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(reals, reals), min_size=3, max_size=9))
    def test_corners_anywhere(self, points):
        np.testing.assert_array_equal(mask_of(*points), reference(points))

    def test_both_lobes_of_a_figure_eight_count(self):
        mask = mask_of((1, 1), (9, 9), (9, 1), (1, 9))
        assert mask[5, 2] == 1
        assert mask[5, 8] == 1
        assert mask[1, 5] == 0

    def test_a_pentagram_has_no_hole(self):
        star = [(5 + 4.8 * np.sin(a), 5 - 4.8 * np.cos(a)) for a in np.arange(5) * 4 * np.pi / 5]
        assert mask_of(*star)[5, 5] == 1

    def test_a_region_where_winding_cancels_is_enclosed(self):
        """A ring drawn as two loops in opposite directions, joined by a bridge: its middle winds to zero."""
        ring = [(0, 0), (10, 0), (10, 10), (0, 10), (0, 0), (3, 3), (3, 7), (7, 7), (7, 3), (3, 3)]
        assert mask_of(*ring).all()

    def test_a_bay_behind_a_gap_narrower_than_a_pixel_is_outside(self):
        mask = mask_of(*bay(4.9, 4.9))
        assert mask[4, 4] == 0
        assert mask[4, 1] == 1

    @pytest.mark.parametrize("turn", [1, -1])
    def test_direction_and_starting_corner_make_no_difference(self, turn):
        turned = (SQUARES[2:] + SQUARES[:2])[::turn]
        np.testing.assert_array_equal(mask_of(*turned), mask_of(*SQUARES))

    def test_centres_on_the_outline_are_inside(self):
        mask = mask_of((1.5, 1.5), (4.5, 1.5), (4.5, 4.5), (1.5, 4.5))
        assert mask.sum() == 16

    @pytest.mark.parametrize("points", [[(3.2, 3.2)], [(1.2, 1), (8.2, 8)], [(1.2, 1), (8.2, 8), (5.2, 5)]])
    def test_an_outline_without_area_encloses_only_centres_on_it(self, points):
        assert not mask_of(*points).any()

    def test_outlines_worked_out_one_after_another_are_the_same(self, monkeypatch):
        points = [
            (5 + r * np.cos(a), 5 + r * np.sin(a)) for a, r in zip(range(300), [3, 4.5] * 150, strict=True)
        ]
        lassos = [lasso(*points[:n]) for n in (300, 3, 200, 90)]
        whole = [rasterize_ink([one], width=SIDE, height=SIDE) for one in lassos]
        monkeypatch.setattr("saliency.masks.lassos.MEETINGS_AT_ONCE", 1)
        pieces = rasterize_inks([[one] for one in lassos], width=SIDE, height=SIDE)
        for one, other in zip(whole, pieces, strict=True):
            np.testing.assert_array_equal(one.mask, other.mask)
            assert one.box == other.box

    def test_a_large_outline_round_the_image_fills_it(self):
        assert mask_of((-9000, -9000), (9000, -9000), (0, 9000), side=100).all()

    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.tuples(tenths, tenths), min_size=3, max_size=12))
    def test_corners_on_tenths_where_edges_nearly_meet(self, points):
        np.testing.assert_array_equal(mask_of(*points), reference(read(points)) | on_outline(points))

    @pytest.mark.parametrize("shift", [0, 2**-30, -(2**-30)])
    def test_a_gap_of_a_billionth_of_a_pixel_is_a_gap(self, shift):
        """A bay whose opening is as narrow as coordinates can be, or is closed, or is crossed."""
        outline = bay(5 - shift, 5)
        np.testing.assert_array_equal(mask_of(*outline), reference(outline))

    def test_edges_that_differ_by_less_than_a_unit_are_told_apart(self):
        """Two edges between the same levels that cross within 2^-30 px of other crossings."""
        points = [
            (0, 0),
            (10, 7),
            (0, 2**-30),
            (10, 7 + 2**-29),
            (0, 3),
            (10, 2),
            (0, 3 + 2**-30),
            (10, 2 - 2**-30),
        ]
        np.testing.assert_array_equal(mask_of(*points), reference(points))

    @pytest.mark.parametrize("far", [(2**16, 5), (5, -(2**16))])
    def test_coordinates_that_would_not_fit_are_refused(self, far):
        with pytest.raises(ValueError, match="65536 px or more"):
            mask_of((1, 1), (5, 9), far)

    def test_edges_that_would_not_fit_are_refused(self):
        with pytest.raises(ValueError, match="65536 px apart or more"):
            mask_of((-40_000, 1), (5, 9), (40_000, 3))

    def test_an_outline_that_is_too_tangled_for_its_numbers_is_refused(self):
        zigzag = [(50 * (n % 2), n / 900) for n in range(9000)]
        with pytest.raises(ValueError, match="more than 262144 levels"):
            mask_of(*zigzag, side=50)
