"""What closed outlines enclose, exactly, however often they cross themselves.

A point is enclosed when no path leads from it to infinity without meeting the curve: on the curve, or in any
region that it cuts off, however often and in whichever direction it winds round that region.

The plane is cut by upright lines, the *levels*: through every corner, and through the centres of the pixel
columns. Between two levels no edge begins or ends, so all edges go from one level to the other, in some order
from top to bottom. A path through such a strip that meets no edge has the same edges above it all the way.
Therefore it exists between two neighbouring edges if, and only if, the edges above are the same ones on both
levels: crossings need not be found, however many there are. What the gaps on the levels leave connected with
the outside is not enclosed. The cost follows how often edges meet levels (`count_meetings`).

Corners are read to the nearest 2^-30 px. From there on every comparison is exact: where an edge meets a level
is a whole number of units, the `whole`, and a fraction of one, `remainder` / `per`, all in 64 bits.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from saliency.masks.intervals import Ints, distinct

UNIT: Final = 2**30  # a pixel
HALF: Final = UNIT // 2
REACH_PX: Final = 2**16  # of coordinates, and between two of them: so that products of two keep to their bits
MEETINGS_AT_ONCE: Final = 2**17  # of several outlines, about 30 MB while they are worked out
MOST_MEETINGS: Final = 2**18  # of one: so that the number of a meeting and a digit fit 64 bits
DIGIT: Final = 46  # bits; two digits tell any two fractions apart whose lower parts are below 2^46
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Enclosed(NamedTuple):
    """Column spans inside outlines: in a column, from row `start` up to row `after`, (N,) int64."""

    outline: Ints
    column: Ints
    start: Ints
    after: Ints


class _Edges(NamedTuple):
    """Edges, (E,) int64 in units: of which outline; left end, of upright ones the upper end; the way on."""

    outline: Ints
    x: Ints
    y: Ints
    run: Ints
    rise: Ints


class _Meetings(NamedTuple):
    """Where edges meet levels, edge by edge and from left to right; upright edges last, with both ends.

    Parameters
    ----------
    level : (M,) number of the level
    whole, remainder, per : (M,) y in units is whole + remainder / per, with 0 <= remainder < per
    comes, goes : (M,) bool, whether the edge reaches the level from the left, and goes on to the right
    upright : (M,) 1 where an upright edge begins, -1 where it ends, 0 for other edges
    """

    level: Ints
    whole: Ints
    remainder: Ints
    per: Ints
    comes: Bools
    goes: Bools
    upright: Ints


def count_meetings(outlines: Sequence[Floats], *, width: int) -> int:
    """Return how often the edges of outlines meet levels: what finding the inside costs.

    Parameters
    ----------
    outlines : (P, 2) float64 each, of x, y in pixels; the last point is joined to the first
    width : of the image
    """
    edges = _edges(outlines)
    return _number(*_spans(edges, _levels(edges, width)))


def enclosed(outlines: Sequence[Floats], *, width: int, height: int) -> Enclosed:
    """Return the pixels whose centres lie inside closed outlines; centres on an outline may be missing.

    Parameters
    ----------
    outlines : (P, 2) float64 each, of x, y in pixels, P >= 1; the last point is joined to the first
    width, height : of the image

    Raises
    ------
    ValueError
        A coordinate lies 65,536 px from the corner of the image, or two of an outline lie so far apart; or an
        outline meets more than `MOST_MEETINGS` levels.
    """
    edges = _edges(outlines)
    levels = _levels(edges, width)
    spans = _spans(edges, levels)
    if _number(*spans) > MEETINGS_AT_ONCE and len(outlines) > 1:
        return _in_halves(outlines, width, height)
    meetings = _meetings(edges, levels, spans)
    if len(meetings.level) > MOST_MEETINGS:
        raise ValueError(f"an outline meets more than {MOST_MEETINGS} levels")
    order, tied = _order(meetings)
    return _pixels(meetings, order, _gaps(meetings, order, tied).inner(), levels, (width, height))


def _in_halves(outlines: Sequence[Floats], width: int, height: int) -> Enclosed:
    half = len(outlines) // 2
    first, second = (
        enclosed(part, width=width, height=height) for part in (outlines[:half], outlines[half:])
    )
    columns = zip(first, second._replace(outline=second.outline + half), strict=True)
    return Enclosed(*(np.concatenate(pair) for pair in columns))


def _edges(outlines: Sequence[Floats]) -> _Edges:
    corners = np.concatenate(outlines)
    if not np.all(np.abs(corners) < REACH_PX):
        raise ValueError(f"an outline leaves the image by {REACH_PX} px or more")
    x, y = np.rint(corners * UNIT).astype(np.int64).T
    lengths = np.array([len(outline) for outline in outlines])
    outline = np.repeat(np.arange(len(outlines)), lengths)
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    following = np.arange(1, len(x) + 1)
    following = np.where(following == first + lengths[outline], first, following)
    run, rise = x[following] - x, y[following] - y
    if max(np.abs(run).max(), np.abs(rise).max()) >= REACH_PX * UNIT:
        raise ValueError(f"an outline has corners {REACH_PX} px apart or more")
    turned = (run < 0) | ((run == 0) & (rise < 0))
    left = np.where(turned, following, np.arange(len(x)))
    sign = np.where(turned, -1, 1)
    has_length = (run != 0) | (rise != 0)
    return _Edges(
        outline[has_length],
        x[left][has_length],
        y[left][has_length],
        (sign * run)[has_length],
        (sign * rise)[has_length],
    )


# A level as one number: 2^48 times the outline plus its x, in units from far left.
_FAR: Final = REACH_PX * UNIT
_OUTLINE: Final = 48


def _levels(edges: _Edges, width: int) -> Ints:
    """Return the levels of each outline: its corners, and the columns of the image that it spans."""
    ends = np.concatenate([edges.x, edges.x + edges.run])
    outline = np.concatenate([edges.outline, edges.outline])
    # Edges stand outline by outline, so each outline is one run of them.
    first = np.flatnonzero(np.diff(edges.outline, prepend=-1))
    numbers = edges.outline[first]
    low = np.minimum.reduceat(edges.x, first) if len(first) else edges.x
    high = np.maximum.reduceat(edges.x + edges.run, first) if len(first) else edges.x
    # The columns whose centres lie in [low, high], cut at the image.
    start = np.clip(-((HALF - low) // UNIT), 0, width)
    count = np.maximum(np.clip((high - HALF) // UNIT + 1, 0, width) - start, 0)
    column = np.arange(count.sum()) + np.repeat(start - np.cumsum(count) + count, count)
    outline = np.concatenate([outline, np.repeat(numbers, count)])
    x = np.concatenate([ends, column * UNIT + HALF])
    return distinct(np.sort((outline << _OUTLINE) + x + _FAR))


def _spans(edges: _Edges, levels: Ints) -> tuple[Ints, Ints]:
    """Return the first and the last level of each edge."""
    x = (edges.outline << _OUTLINE) + edges.x + _FAR
    return np.searchsorted(levels, x), np.searchsorted(levels, x + edges.run)


def _number(first: Ints, last: Ints) -> int:
    return int((last - first + 1).sum())


def _meetings(edges: _Edges, levels: Ints, spans: tuple[Ints, Ints]) -> _Meetings:
    first, last = spans
    sloped, upright = np.flatnonzero(edges.run != 0), np.flatnonzero(edges.run == 0)
    number = (last - first + 1)[sloped]
    edge = np.repeat(sloped, number)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number)
    level = first[edge] + step
    # y on the level = y of the left end + way * rise / run, kept as a whole number and a fraction.
    way = (levels[level] & (2**_OUTLINE - 1)) - _FAR - edges.x[edge]
    quotient, remainder = _divided(way, edges.rise[edge], edges.run[edge])
    zeros = np.zeros(2 * len(upright), dtype=np.int64)
    begin, end = np.ones(len(upright), dtype=np.int64), np.full(len(upright), -1)
    y = edges.y[upright]
    return _Meetings(
        level=np.concatenate([level, first[upright], first[upright]]),
        whole=np.concatenate([edges.y[edge] + quotient, y, y + edges.rise[upright]]),
        remainder=np.concatenate([remainder, zeros]),
        per=np.concatenate([edges.run[edge], zeros + 1]),
        comes=np.concatenate([step > 0, zeros > 0]),
        goes=np.concatenate([step < np.repeat(number, number) - 1, zeros > 0]),
        upright=np.concatenate([np.zeros(len(edge), dtype=np.int64), begin, end]),
    )


def _divided(factor: Ints, other: Ints, by: Ints) -> tuple[Ints, Ints]:
    """Exact quotient and remainder of factor * other / by, for numbers below 2^46 and quotients below 2^47.

    The quotient in floating point is wrong by one at most, so the remainder is small. The products overflow
    64 bits, but arithmetic modulo 2^64 still gives a small remainder exactly.
    """
    quotient = np.floor(factor.astype(np.float64) * other / by).astype(np.int64)
    remainder = factor * other - quotient * by
    correction = (remainder >= by).astype(np.int64) - (remainder < 0)
    return quotient + correction, remainder - correction * by


def _order(meetings: _Meetings) -> tuple[Ints, Bools]:
    """Sort meetings by level and, on each, from top to bottom; tell which meet where the one before does."""
    place = meetings.whole - meetings.whole.min(initial=0)
    key = (meetings.level.astype(np.uint64) << np.uint64(47)) + place.astype(np.uint64)
    order = np.argsort(key)
    tied = _as_before(key[order])
    remainder = meetings.remainder.copy()
    # Meetings in one whole unit are told apart by the digits of their fractions, in base 2^46: two of them
    # suffice, because different fractions of edges differ by more than 2^-92.
    for _ in range(2):
        undecided = np.flatnonzero(tied | np.append(tied[1:], False))
        members = order[undecided]
        if not remainder[members].any():
            break
        digit, remainder[members] = _divided(
            remainder[members], np.full(len(members), 2**DIGIT), meetings.per[members]
        )
        # A group is one run of ties: it is sorted within itself and stays where it is.
        group = np.cumsum(~tied[undecided]).astype(np.uint64)
        fine = (group << np.uint64(DIGIT)) + digit.astype(np.uint64)
        again = np.argsort(fine)
        order[undecided] = members[again]
        tied[undecided] = _as_before(fine[again])
    return order, tied


def _as_before(keys: NDArray[np.uint64]) -> Bools:
    tied = np.zeros(len(keys), dtype=bool)
    np.equal(keys[1:], keys[:-1], out=tied[1:])
    return tied


class _Gaps(NamedTuple):
    """Gaps between two meetings that follow each other on a level, not at one place.

    Parameters
    ----------
    below : (G,) which meeting of the order is above the gap
    before, behind : (G,) its region in the strip to the left and in the strip to the right
    closed : (G,) bool, whether an upright edge fills it
    regions : how many numbers of regions there are; the last is the outside
    """

    below: Ints
    before: Ints
    behind: Ints
    closed: Bools
    regions: int

    def inner(self) -> Ints:
        """Return below which meetings a gap is cut off from the outside, or on the outline itself."""
        ways = np.flatnonzero(~self.closed & (self.before != self.behind))
        joined = coo_array(
            (np.ones(len(ways)), (self.before[ways], self.behind[ways])), shape=(self.regions, self.regions)
        )
        region: NDArray[np.int32] = connected_components(joined, directed=False)[1]
        inside: Ints = self.below[self.closed | (region[self.before] != region[-1])]
        return inside


def _gaps(meetings: _Meetings, order: Ints, tied: Bools) -> _Gaps:
    """Find the gaps on the levels, and what the strips beside the levels join them to.

    In each strip a gap is numbered by the rank of the edge above it, counted through all strips. On both its
    levels a strip has the same edges, so the ranks on both are of the same strip. Above the first edge of a
    strip lies the outside, and below its last one too: the number of the latter serves for both.
    """
    level, going = meetings.level[order], meetings.goes[order]
    comes, goes = np.cumsum(meetings.comes[order]) - 1, np.cumsum(going) - 1
    rank = np.empty_like(comes)
    rank[order] = comes
    right_of = rank[order[going] + 1]  # the rank on the right level, in the order of the left one
    number = len(right_of)
    here = np.arange(number)
    is_open = np.maximum.accumulate(right_of) == here  # the edges above are the same on both levels
    strip = level[going]
    is_last = np.append(strip[1:] != strip[:-1], True)[:number]
    left = np.append(np.where(is_last, 2 * number, here), 2 * number)
    right = np.append(np.where(is_open | is_last, left[:-1], here + number), 2 * number)
    below = np.flatnonzero((level[1:] == level[:-1]) & ~tied[1:])
    closed = np.cumsum(meetings.upright[order])[below] > 0
    return _Gaps(below, right[comes[below]], left[goes[below]], closed, 2 * number + 1)


def _pixels(meetings: _Meetings, order: Ints, below: Ints, levels: Ints, size: tuple[int, int]) -> Enclosed:
    """Return the pixels whose centres lie in gaps below meetings."""
    column, offset = np.divmod((levels & (2**_OUTLINE - 1)) - _FAR - HALF, UNIT)
    is_column = (offset == 0) & (column >= 0) & (column < size[0])
    below = below[is_column[meetings.level[order[below]]]]
    upper, lower = order[below], order[below + 1]
    start = np.clip((meetings.whole[upper] + (UNIT - 1 - HALF)) // UNIT, 0, size[1])
    after = np.clip((meetings.whole[lower] + (UNIT - HALF)) // UNIT, 0, size[1])
    has_rows = after > start
    level = meetings.level[upper[has_rows]]
    return Enclosed(levels[level] >> _OUTLINE, column[level], start[has_rows], after[has_rows])
