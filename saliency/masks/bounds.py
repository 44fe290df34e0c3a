"""Between which numbers the painted pixels of an annotation lie, known without working out its mask."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from saliency.masks.brushes import Floats
from saliency.masks.intervals import Ints
from saliency.masks.strokes import Stroke

INSCRIBED: Final = 0.7071  # of the radius: half the side of a square in a disc, a little less than 1/√2
SLACK_PX: Final = 1e-6  # more than what ties and rounding add to a stroke


def painted_bounds(strokes: Sequence[Stroke], *, width: int, height: int) -> tuple[int, int]:
    """Return how many pixels are painted at least and at most, without counting them.

    Each stroke is taken for the rectangle that its points span. At least: the largest brush stroke that no
    eraser follows. At most: all that paint, side by side, as wide as the brush.
    """
    if not strokes:
        return 0, 0
    tools = np.array([stroke.tool for stroke in strokes])
    radii = np.array([stroke.radius for stroke in strokes])
    points = np.concatenate([stroke.points[:, :2] for stroke in strokes])
    begin = np.cumsum([0, *(len(stroke.points) for stroke in strokes[:-1])])
    span = _Span(np.minimum.reduceat(points, begin), np.maximum.reduceat(points, begin), (width, height))
    reach = np.where(tools == "lasso", 0.0, radii) + SLACK_PX
    last = np.flatnonzero(tools == "eraser").max(initial=-1)
    stays = (tools == "brush") & (np.arange(len(tools)) > last)
    half = radii * INSCRIBED
    swath = (span.centres(half) * span.rows(half)[:, ::-1]).max(axis=1)
    box = span.centres(reach).prod(axis=1)
    return int(swath[stays].max(initial=0)), int(box[tools != "eraser"].sum())


class _Span(NamedTuple):
    """The rectangles that the points of strokes span, low and high (S, 2) px, on an image of some size.

    Around every point of a brush stroke lies a square inside its disc. The stroke passes all there is between
    its outermost points, so its squares cover every column from the first square to the last one (`centres`),
    each with as many pixels as a square has that no other border of the image cuts (`rows`).
    """

    low: Floats
    high: Floats
    size: tuple[int, int]

    def centres(self, reach: Floats) -> Ints:
        """Return (S, 2) how many centres of columns and of rows of the image lie within reach of each."""
        first = np.ceil(np.maximum(self.low - reach[:, None], 0.0) - 0.5)
        last = np.floor(np.minimum(self.high + reach[:, None], self.size) - 0.5)
        number: Ints = np.maximum(last - first + 1, 0).astype(np.int64)
        return number

    def rows(self, reach: Floats) -> Ints:
        """Return (S, 2) how many columns and rows of the image are at least within reach of any point."""
        free = np.minimum(self.low, self.size - self.high)
        number: Ints = np.maximum(np.floor(2 * np.minimum(reach[:, None], free)), 0).astype(np.int64)
        return number
