"""The face crop of a dataset, the same for an image and its map.

The authors crop the face box with 20 % added on each side and an additional 30 % for the forehead. Read
here as: the box grows by 0.2 x its width to the left and right and by 0.2 x its height above and below, and
the top moves up by a further 0.3 x its height (so by half the height in all). The result is clipped to the
image and resized to a square, whatever its own aspect.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box
from saliency.images.resizing import resize

MARGIN: Final = 0.2
FOREHEAD: Final = 0.3
SIZE_PX: Final = 224

CropBox = Box
FaceBox = tuple[float, float, float, float]
"""x, y, width, height in pixels of the picture."""


def face_crop(
    box: FaceBox | None, *, width: int, height: int, margin: float = MARGIN, forehead: float = FOREHEAD
) -> CropBox:
    """Return the pixels around a face that a dataset keeps.

    Parameters
    ----------
    box : x, y, w, h of the face in pixels; None keeps the whole image
    width, height : size of the image in pixels
    margin : share of the box's width or height added on each of the four sides
    forehead : share of the box's height added on top of that

    Returns
    -------
    crop : edges at whole pixels, rounded to the nearest, at least one pixel, inside the image

    Raises
    ------
    ValueError
        The box has no area or does not meet the image.
    """
    if box is None:
        return CropBox(0, 0, width, height)
    x, y, w, h = box
    if not (w > 0 and h > 0 and x < width and y < height and x + w > 0 and y + h > 0):
        raise ValueError(f"face box x={x:g} y={y:g} w={w:g} h={h:g} does not meet the {width}x{height} image")
    left, right = _edges(x - margin * w, x + (1 + margin) * w, width)
    top, bottom = _edges(y - (margin + forehead) * h, y + (1 + margin) * h, height)
    return CropBox(left, top, right, bottom)


def _edges(low: float, high: float, size: int) -> tuple[int, int]:
    first = min(round(max(low, 0)), size - 1)
    return first, max(round(min(high, size)), first + 1)


def apply_crop(array: NDArray[Any], crop: CropBox, *, size: int = SIZE_PX) -> NDArray[Any]:
    """Cut out a crop and resize it to a square; thin strokes fade instead of vanishing.

    Parameters
    ----------
    array : (height, width) or (height, width, channels), uint8, uint16 or float32
    crop : as `face_crop` returns it
    size : side of the result in pixels

    Returns
    -------
    cropped : (size, size) or (size, size, channels) of the same type; a constant stays that constant
    """
    height, width = array.shape[:2]
    if crop.empty or crop.meet(Box(0, 0, width, height)) != crop:
        raise ValueError(f"crop {tuple(crop)} does not lie inside an image of {width}x{height}")
    return resize(np.ascontiguousarray(array[crop.slices]), width=size, height=size)
