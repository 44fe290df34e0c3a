"""What a participant painted, checked against the study's rule and the region of a check."""

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
    """Strokes on an image; the painted pixels are computed when they are first needed."""

    strokes: tuple[Stroke, ...]
    size: Size

    @cached_property
    def pixels(self) -> Intervals:
        return painted(self.strokes, width=self.size[0], height=self.size[1])

    @property
    def painting_strokes(self) -> int:
        """Number of strokes that are not erasers; the page drops strokes that change no pixel."""
        return sum(stroke.tool != "eraser" for stroke in self.strokes)

    @property
    def area(self) -> float:
        """Share of the image that is painted, in [0, 1]."""
        return self.pixels.length / (self.size[0] * self.size[1])

    @property
    def area_bounds(self) -> tuple[float, float]:
        """Lower and upper bound of `area`, at a fraction of its cost."""
        width, height = self.size
        least, most = painted_bounds(self.strokes, width=width, height=height)
        return least / (width * height), most / (width * height)


def read_painting(strokes: object, size: Size) -> Painting:
    """Parse strokes as the browser sent them; `BadStrokes` says which stroke or limit is wrong."""
    width, height = size
    try:
        parsed = parse_strokes(strokes, width=width, height=height)
    except StrokeError as error:
        raise BadStrokes(str(error)) from error
    return Painting(parsed, size)


def check_rule(rule: AnnotationRule, painting: Painting) -> None:
    """Raise unless there are enough strokes and they paint a share of the image that the rule allows.

    Where the rule asks for no strokes a participant may paint none; if they paint, the area must be allowed.
    `missing` in annotation_ui/static/core/trial.js is the same rule on the page.

    `AnnotationMissing`, `AnnotationTooSmall`, `AnnotationTooLarge`
    """
    if rule.min_strokes == 0 and not painting.strokes:
        return
    if painting.painting_strokes < rule.min_strokes:
        raise AnnotationMissing
    least, most = painting.area_bounds
    if least > 0 and rule.min_area <= least and most <= rule.max_area:
        return  # the bounds decide for most annotations, so that their pixels are never computed
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
