"""Annotations that a study's rule accepts: a participant told to paint more, or less, does so."""

from typing import Final

import numpy as np

from app.demo.regions import Region, inside
from app.demo.strokes import PAUSE_MS, PaintingHand, StrokeJson, paint
from app.errors import AnnotationMissing, AnnotationTooLarge, AnnotationTooSmall
from app.trials.paintings import Size, check_rule, read_painting
from app.trials.schemas import AnnotationRule

TRIES: Final = 4
"""Tries to paint before one outline of an allowed size is drawn instead."""
GROWTH: Final = 1.5
"""Factor on the sides of a place from one try to the next."""
DOT_MS: Final = 80.0
SMALL: Final = 0.05
"""Largest share of the picture in an outline after too much was painted."""


def paint_by(
    rule: AnnotationRule,
    rng: np.random.Generator,
    hand: PaintingHand,
    places: list[Region],
    *,
    size: Size,
    start_ms: float,
) -> list[StrokeJson]:
    """Strokes as `strokes.paint` makes them over one place or more, until the rule accepts them.

    After too little, more is painted over a larger place; after too much, all again over a smaller one.
    """
    strokes: list[StrokeJson] = []
    for _ in range(TRIES):
        start = strokes[-1]["points"][-1][2] + PAUSE_MS[0] if strokes else start_ms
        strokes = [*strokes, *paint(rng, hand, places, width=size[0], start_ms=start)]
        try:
            check_rule(rule, read_painting(strokes, size))
        except AnnotationMissing:
            continue
        except AnnotationTooSmall:
            places = [_scaled(place, GROWTH, size) for place in places]
        except AnnotationTooLarge:
            strokes, places = [], [_scaled(place, 1 / GROWTH, size) for place in places]
        else:
            return strokes
    return _outlined(rule, places[0], size=size, start_ms=start_ms)


def _scaled(place: Region, factor: float, size: Size) -> Region:
    """A place with sides `factor` times as long around the same middle, as far as the picture goes."""
    x, y, w, h = place
    wider = (x + w * (1 - factor) / 2, y + h * (1 - factor) / 2, w * factor, h * factor)
    return inside(wider, size=size)


def _outlined(rule: AnnotationRule, place: Region, *, size: Size, start_ms: float) -> list[StrokeJson]:
    """An outline around an area that the rule accepts, after as many dots in it as the rule wants strokes."""
    width, height = size
    area = min((rule.min_area + rule.max_area) / 2, max(2 * rule.min_area, SMALL))
    x, y, _, _ = place
    sides = (width * area**0.5, height * area**0.5)
    x, y, w, h = inside((x, y, *sides), size=size)
    number = max(rule.min_strokes - 1, 0)
    corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    inner = [((dot + 0.5) / number,) * 2 for dot in range(number)]
    points = [
        [x + w * across, y + h * down, start_ms + DOT_MS * at]
        for at, (across, down) in enumerate([*inner, *corners])
    ]
    dots = [{"tool": "brush", "radius": 0.5, "points": [point]} for point in points[:number]]
    return [*dots, {"tool": "lasso", "radius": 0.0, "points": points[number:]}]
