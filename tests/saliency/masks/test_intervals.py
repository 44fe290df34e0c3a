"""Sets of numbers as intervals, against the sets themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saliency.masks.intervals import Intervals, covered, ends, latest, overlap

spans = st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda pair: (pair[0], sum(pair)))


def numbers_of(intervals):
    return {n for start, stop in zip(*intervals, strict=True) for n in range(start, stop)}


def union_of(pairs):
    places = np.array([place for pair in pairs for place in pair], dtype=np.int64)
    return covered(ends(places, np.tile(np.array([1, -1], dtype=np.int32), len(pairs))))


def members(pairs):
    return {n for start, stop in pairs for n in range(start, stop)}


class TestCovered:
    @given(st.lists(spans, max_size=12))
    def test_it_is_the_union(self, pairs):
        assert numbers_of(union_of(pairs)) == members(pairs)

    @given(st.lists(spans, max_size=12))
    def test_intervals_neither_overlap_nor_touch(self, pairs):
        start, stop = union_of(pairs)
        assert (start < stop).all()
        assert (stop[:-1] < start[1:]).all()

    def test_what_is_taken_away_opens_no_gap_where_more_than_one_is_left(self):
        places = np.array([0, 10, 2, 12, 2, 10], dtype=np.int64)
        steps = np.array([1, -1, 1, -1, -1, 1], dtype=np.int32)
        assert numbers_of(covered(ends(places, steps))) == set(range(12))

    @given(st.lists(spans, max_size=12))
    def test_the_length_is_how_many_there_are(self, pairs):
        assert union_of(pairs).length == len(members(pairs))


class TestOverlap:
    @given(st.lists(spans, max_size=9), st.lists(spans, max_size=9))
    def test_it_counts_what_both_have(self, one, two):
        assert overlap(union_of(one), union_of(two)) == len(members(one) & members(two))


class TestLatest:
    @given(st.lists(spans, max_size=12), st.randoms())
    def test_the_highest_rank_is_on_top(self, pairs, random):
        ranks = [random.randint(1, 5) for _ in pairs]
        start, stop = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        place, top = latest(start, stop, np.array(ranks, dtype=np.int32))
        found = {n: t for a, b, t in zip(place, place[1:], top, strict=False) for n in range(a, b) if t}
        expected = {}
        for rank, pair in sorted(zip(ranks, pairs, strict=True)):
            expected |= dict.fromkeys(range(*pair), rank)
        assert found == expected
        assert not top[-1:].any()


class TestIntervals:
    @pytest.mark.parametrize(("low", "high", "inside"), [(0, 100, 2), (0, 10, 1), (10, 30, 1), (30, 90, 0)])
    def test_a_part_has_the_intervals_that_begin_there(self, low, high, inside):
        both = Intervals(np.array([3, 10]), np.array([9, 30]))
        assert len(both.within(low, high).start) == inside

    def test_they_can_be_moved(self):
        assert numbers_of(Intervals(np.array([3]), np.array([5])).moved(-3)) == {0, 1}
