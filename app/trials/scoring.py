"""What a painted mask is held against: the study's rule, and the region of a check."""

from collections.abc import Sequence

import numpy as np

from app.errors import AnnotationMissing, AnnotationTooLarge, AnnotationTooSmall, BadStrokes
from app.trials.schemas import AnnotationRule
from saliency.masks import rasterize, rasterize_ink
from saliency.strokes import Stroke, StrokeError, parse_strokes

Size = tuple[int, int]
"""Width and height of an image in pixels."""

NO_AREA_RULE = (0.0, 1.0)


def read_strokes(strokes: object, size: Size) -> tuple[Stroke, ...]:
    """Strokes as the browser sent them; BadStrokes names the first that is none."""
    try:
        return parse_strokes(strokes, width=size[0], height=size[1])
    except StrokeError as error:
        raise BadStrokes(str(error)) from error


def check_rule(rule: AnnotationRule, strokes: Sequence[Stroke], size: Size) -> None:
    """Raise unless there are enough strokes and their mask covers as much as the rule wants.

    A rule of no strokes lets participants go on without painting; if they do paint, it must be enough.
    """
    if len(strokes) < rule.min_strokes:
        raise AnnotationMissing
    if not strokes or (rule.min_area, rule.max_area) == NO_AREA_RULE:
        return
    width, height = size
    area = rasterize_ink(strokes, width=width, height=height).pixels / (width * height)
    if area < rule.min_area:
        raise AnnotationTooSmall
    if area > rule.max_area:
        raise AnnotationTooLarge


def region_iou(strokes: Sequence[Stroke], region: Sequence[Sequence[float]], size: Size) -> float:
    """Intersection over union of what is painted and a polygon; 0 when neither covers a pixel.

    Parameters
    ----------
    strokes : in drawing order
    region : corners [x, y] in image pixels
    size : (width, height) of the image
    """
    width, height = size
    corners = np.array([[x, y, 0.0] for x, y in region])
    wanted = rasterize([Stroke(tool="lasso", radius=0.0, points=corners)], width=width, height=height)
    painted = rasterize(strokes, width=width, height=height)
    union = int(np.count_nonzero(wanted | painted))
    return int(np.count_nonzero(wanted & painted)) / union if union else 0.0
