"""Strokes: what a participant's hand did, in image pixels, checked once at the border.

The JSON form is a list of objects `{"tool", "radius", "points": [[x, y, t_ms], ...]}`. Coordinates are
continuous image pixels with the origin at the top-left corner, x to the right, y down; the pixel in row i
and column j has its centre at (j + 0.5, i + 0.5). `t_ms` counts from the moment the pair was shown.
"""

import math
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise
from typing import Any, Final, Literal, TypeGuard, cast, get_args

import numpy as np
from numpy.typing import NDArray

from saliency.masks.work import MAX_WORK, work

Tool = Literal["brush", "lasso", "eraser"]
Points = NDArray[np.float64]

TOOLS: Final[tuple[str, ...]] = get_args(Tool)
FIELDS: Final = frozenset({"tool", "radius", "points"})

# The page has them from `make contract`.
MAX_STROKES: Final = 1_000  # per annotation
MAX_POINTS: Final = 10_000  # per annotation: what a page sends is thinned, a stroke has some 40
MIN_RADIUS_PX: Final = 0.5
MAX_RADIUS_PX: Final = 512.0
MARGIN_PX: Final = 16_384.0  # a captured pointer may leave the image by a whole screen, magnified
MAX_TIME_MS: Final = 1e10  # about four months; a clock that says more is broken


class StrokeError(ValueError):
    """The strokes of an annotation break a rule; the message names the stroke and the field."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One stroke: a polyline with a width (brush, eraser) or a closed outline (lasso).

    Parameters
    ----------
    tool : "brush" and "lasso" paint, "eraser" clears what was painted before it
    radius : half the width of brush and eraser in image pixels; a lasso has none and ignores it
    points : (P, 3) float64 of x px, y px, t_ms; P >= 1; one point is a disc
    """

    tool: Tool
    radius: float
    points: Points

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form that `parse_strokes` reads back to an equal stroke."""
        return {"tool": self.tool, "radius": self.radius, "points": self.points.tolist()}


def parse_strokes(value: object, *, width: int, height: int) -> tuple[Stroke, ...]:
    """Check decoded JSON and turn it into strokes; an empty list is an annotation without ink.

    Parameters
    ----------
    value : decoded JSON, a list of stroke objects
    width, height : size of the annotated image in pixels

    Returns
    -------
    strokes : in drawing order

    Raises
    ------
    StrokeError
        One sentence that names the stroke (counted from 0) and the field.
    """
    if not isinstance(value, list):
        raise StrokeError(f"strokes must be a list, not {_kind(value)}")
    if len(value) > MAX_STROKES:
        raise StrokeError(f"strokes has {len(value)} entries; at most {MAX_STROKES} are accepted")
    _check_total(value)
    heads = [_parse_head(entry, f"stroke {i}") for i, entry in enumerate(value)]
    points = _parse_points([entry["points"] for entry in value], (width, height))
    strokes = tuple(
        Stroke(tool, radius, points_of_stroke)
        for (tool, radius), points_of_stroke in zip(heads, points, strict=True)
    )
    _check_work(strokes, width)
    return strokes


def _check_total(entries: Sequence[object]) -> None:
    lists = [entry.get("points") for entry in entries if isinstance(entry, Mapping)]
    total = sum(len(points) for points in lists if isinstance(points, list))
    if total > MAX_POINTS:
        raise StrokeError(f"strokes have {total} points together; at most {MAX_POINTS} are accepted")


def _parse_head(entry: object, name: str) -> tuple[Tool, float]:
    """Check one stroke but for the numbers of its points; return tool and radius."""
    if not isinstance(entry, dict):
        raise StrokeError(f"{name} must be an object, not {_kind(entry)}")
    if entry.keys() != FIELDS:
        raise StrokeError(_wrong_fields(entry, name))
    tool = entry["tool"]
    if not isinstance(tool, str) or tool not in TOOLS:
        raise StrokeError(f"{name}: tool must be one of {', '.join(TOOLS)}, not {_shown(tool)}")
    _check_points(entry["points"], name)
    return cast("Tool", tool), _parse_radius(entry["radius"], tool, name)


def _wrong_fields(entry: Mapping[str, object], name: str) -> str:
    missing = sorted(FIELDS - entry.keys())
    if missing:
        return f"{name}: {missing[0]} is missing"
    return f"{name}: {_shown(sorted(map(str, entry.keys() - FIELDS))[0])} is not a field of a stroke"


def _parse_radius(value: object, tool: str, name: str) -> float:
    lowest = 0.0 if tool == "lasso" else MIN_RADIUS_PX
    if not _is_number(value) or not lowest <= value <= MAX_RADIUS_PX:
        raise StrokeError(
            f"{name}: radius must be a number from {lowest:g} to {MAX_RADIUS_PX:g}, not {_shown(value)}"
        )
    return float(value)


def _check_points(value: object, name: str) -> None:
    if not isinstance(value, list) or not value:
        raise StrokeError(f"{name}: points must be a list of at least one [x, y, t_ms]")
    for i, point in enumerate(value):
        if not isinstance(point, list) or len(point) != 3 or not all(map(_is_number, point)):
            raise StrokeError(f"{name}: points[{i}] must be three numbers [x, y, t_ms], not {_shown(point)}")


def _parse_points(lists: Sequence[list[Any]], size: tuple[int, int]) -> list[Points]:
    """Turn the points of all strokes into arrays at once, and check what they hold."""
    ends = list(accumulate(map(len, lists), initial=0))
    try:
        points = np.array(list(chain.from_iterable(lists)), dtype=np.float64).reshape(-1, 3)
    except OverflowError as error:
        wrong = next(
            i
            for i, points_of_stroke in enumerate(lists)
            if any(abs(n) > sys.float_info.max for p in points_of_stroke for n in p)
        )
        raise StrokeError(f"stroke {wrong}: points holds a number that is too large") from error
    _check_ranges(points, ends, size)
    points.flags.writeable = False
    return [points[start:end] for start, end in pairwise(ends)]


def _check_ranges(points: Points, ends: Sequence[int], size: tuple[int, int]) -> None:
    lowest = (-MARGIN_PX, -MARGIN_PX, -MAX_TIME_MS)
    highest = (size[0] + MARGIN_PX, size[1] + MARGIN_PX, MAX_TIME_MS)
    inside = (points >= lowest) & (points <= highest)  # False for NaN as well
    if inside.all():
        return
    row, column = np.argwhere(~inside)[0]
    stroke = bisect_right(ends, row) - 1
    raise StrokeError(
        f"stroke {stroke}: points[{row - ends[stroke]}] has {('x', 'y', 't_ms')[column]} = "
        f"{points[row, column]:g}, outside {lowest[column]:g} to {highest[column]:g}"
    )


def _check_work(strokes: Sequence[Stroke], width: int) -> None:
    outlines = [stroke.points[:, :2] for stroke in strokes if stroke.tool == "lasso"]
    lines = [(stroke.points[:, :2], stroke.radius) for stroke in strokes if stroke.tool != "lasso"]
    needed = work(lines, outlines, width=width)
    if needed > MAX_WORK:
        raise StrokeError(
            f"strokes come to {needed:.0f} px of work (points, outlines, what lassos cross); "
            f"at most {MAX_WORK} are accepted"
        )


def _is_number(value: object) -> TypeGuard[int | float]:
    """True and False are no numbers here, though Python counts them among the integers."""
    return type(value) is float or type(value) is int


def _shown(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = repr(value) if not isinstance(value, int) or value.bit_length() < 256 else "a very large integer"
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
