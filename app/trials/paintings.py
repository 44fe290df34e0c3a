"""What is painted, and what it is held against: the study's rule, and the region of a check."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from app.errors import AnnotationMissing, AnnotationTooLarge, AnnotationTooSmall, BadStrokes
from app.trials.schemas import AnnotationRule
from saliency.masks.bounds import painted_bounds
from saliency.masks.intervals import Intervals, overlap
from saliency.masks.rasterizing import painted
from saliency.masks.strokes import Stroke, StrokeError, parse_strokes

Size = tuple[int, int]
"""Width and height of an image in pixels."""


@dataclass(frozen=True)
class Painting:
    """Strokes on an image, and the pixels that they leave painted, worked out when they are asked for."""

    strokes: tuple[Stroke, ...]
    size: Size

    @cached_property
    def pixels(self) -> Intervals:
        return painted(self.strokes, width=self.size[0], height=self.size[1])

    @property
    def that_paint(self) -> int:
        """How many strokes paint; an eraser does not. The page keeps none that changes no pixel."""
        return sum(stroke.tool != "eraser" for stroke in self.strokes)

    @property
    def area(self) -> float:
        """Share of the image that is painted, in [0, 1]."""
        return self.pixels.length / (self.size[0] * self.size[1])

    @property
    def area_bounds(self) -> tuple[float, float]:
        """Share of the image that is painted at least and at most, at a fraction of the cost of `area`."""
        width, height = self.size
        least, most = painted_bounds(self.strokes, width=width, height=height)
        return least / (width * height), most / (width * height)


def read_painting(strokes: object, size: Size) -> Painting:
    """Strokes as the browser sent them; BadStrokes names the first that is none, or what is too much."""
    width, height = size
    try:
        parsed = parse_strokes(strokes, width=width, height=height)
    except StrokeError as error:
        raise BadStrokes(str(error)) from error
    return Painting(parsed, size)


def check_rule(rule: AnnotationRule, painting: Painting) -> None:
    """Raise unless enough strokes paint and what they leave painted is as much as the rule wants.

    A rule of no strokes lets participants go on without any; if there are some, they must paint enough.
    `missing` in annotation_ui/static/core/trial.js says the same on the page.
    """
    if rule.min_strokes == 0 and not painting.strokes:
        return
    if painting.that_paint < rule.min_strokes:
        raise AnnotationMissing
    least, most = painting.area_bounds
    if least > 0 and rule.min_area <= least and most <= rule.max_area:
        return  # which most annotations show without their pixels being worked out
    if painting.area < rule.min_area:
        raise AnnotationTooSmall
    if painting.area > rule.max_area:
        raise AnnotationTooLarge
    if rule.min_strokes > 0 and painting.area == 0:
        raise AnnotationMissing


def region_iou(painting: Painting, region: Sequence[Sequence[float]]) -> float:
    """Intersection over union of what is painted and a polygon; 0 when neither covers a pixel.

    region : corners [x, y] in image pixels
    """
    width, height = painting.size
    corners = np.array([[x, y, 0.0] for x, y in region])
    wanted = painted([Stroke(tool="lasso", radius=0.0, points=corners)], width=width, height=height)
    shared = overlap(wanted, painting.pixels)
    union = wanted.length + painting.pixels.length - shared
    return shared / union if union else 0.0
