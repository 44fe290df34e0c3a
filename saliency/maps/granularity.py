"""How much detail of a map is kept: the levels that Crum, Webster and Czajka compare (IJCB 2024).

Their "features of interest" are the map itself, their "area of interest" is binary, their "boundary of
interest" is a box.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.maps.scaling import SaliencyMap
from saliency.parameters import Granularity

DIAGONAL: Final = 8  # pixels that touch at a corner belong to one region


def coarsen(values: SaliencyMap, *, granularity: Granularity, threshold: float) -> SaliencyMap:
    """Reduce a scaled map to an area or to boxes.

    Parameters
    ----------
    values : (height, width) float32 in [0, 1]
    granularity : "map" changes nothing; "area" is 1 where the map reaches the threshold and 0 elsewhere;
        "box" is 1 in the smallest box around that area; "boxes" in one box around each of its regions, whose
        pixels touch at sides or corners
    threshold : above 0

    Returns
    -------
    coarse : (height, width) float32 in {0, 1}, all zero where nothing reaches the threshold; or `values`
    """
    if granularity == "map":
        return values
    area = (values >= np.float32(threshold)).astype(np.uint8)
    if granularity == "area":
        return area.astype(np.float32)
    coarse = np.zeros(values.shape, dtype=np.float32)
    for left, top, width, height in _boxes(area, apart=granularity == "boxes"):
        coarse[top : top + height, left : left + width] = 1.0
    return coarse


def _boxes(area: NDArray[np.uint8], *, apart: bool) -> list[list[int]]:
    """Return left, top, width and height of the boxes."""
    if not apart:
        box = list(cv2.boundingRect(area))
        return [box] if box[2] else []  # OpenCV gives an empty area a box of width 0
    # Rows of left, top, width, height and area; the first is the background.
    regions = cv2.connectedComponentsWithStats(area, connectivity=DIAGONAL)[2]
    boxes: list[list[int]] = regions[1:, :4].tolist()
    return boxes
