"""Gaussian blur that works only where there is ink.

The result equals `scipy.ndimage.gaussian_filter(image, sigma_px, mode="reflect", truncate=4)` up to float32
rounding. The image is worked off in tiles that fit the cache; what lies further than the kernel's reach from
any ink stays zero untouched.
"""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box

TRUNCATE: Final = 4.0  # the kernel ends at this many standard deviations, as in scipy
TILE_PX: Final = 256  # at least; smaller tiles repeat too much work at their borders

Image = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


def blur(image: Image, *, sigma_px: float) -> NDArray[np.float32]:
    """Blur a non-negative image.

    Parameters
    ----------
    image : (height, width) uint8, uint16 or float32, zero where there is no ink
    sigma_px : standard deviation in pixels; 0 changes nothing but the type

    Returns
    -------
    blurred : (height, width) float32; all zero when the image is; as constant as the image is
    """
    if sigma_px == 0:
        return image.astype(np.float32)
    kernel = gaussian_kernel(sigma_px)
    reach = len(kernel) // 2
    blurred: NDArray[np.float32] = np.zeros(image.shape, dtype=np.float32)
    frame = Box(0, 0, image.shape[1], image.shape[0])
    for tile in _tiles(frame, side=max(TILE_PX, 4 * reach)):
        inked = ink_box(image, tile.grow(reach).meet(frame))
        part = inked.grow(reach).meet(tile)
        if not (inked.empty or part.empty):
            blurred[part.slices] = _blurred_part(image, part, kernel)
    return blurred


def _tiles(frame: Box, *, side: int) -> Iterator[Box]:
    for top in range(0, frame.height, side):
        for left in range(0, frame.width, side):
            yield Box(left, top, left + side, top + side).meet(frame)


def _blurred_part(image: Image, part: Box, kernel: NDArray[np.float64]) -> cv2.typing.MatLike:
    """Blur along rows, turn, blur along what were the columns, turn back.

    OpenCV is four times slower along columns. The border it makes up is right at the image's edges; at any
    other edge of the source it spoils only pixels that are cut off afterwards.
    """
    frame = Box(0, 0, image.shape[1], image.shape[0])
    source = part.grow(len(kernel) // 2).meet(frame)
    rows, columns = part.within(source).slices
    along = _along_rows(image[source.slices].astype(np.float32), kernel)[:, columns]
    across = _along_rows(cv2.transpose(along), kernel)[:, rows]
    return cv2.transpose(across)


def _along_rows(image: cv2.typing.MatLike, kernel: NDArray[np.float64]) -> cv2.typing.MatLike:
    return cv2.filter2D(image, cv2.CV_32F, kernel[None], borderType=cv2.BORDER_REFLECT)


def gaussian_kernel(sigma_px: float) -> NDArray[np.float64]:
    """Return the weights that scipy uses: odd length, sum 1, cut off at `TRUNCATE` standard deviations."""
    reach = int(TRUNCATE * sigma_px + 0.5)
    weights: NDArray[np.float64] = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    weights /= weights.sum()
    return weights


def ink_box(image: Image, within: Box) -> Box:
    """Return the smallest box around the ink inside another box; an empty one where there is none."""
    part = image[within.slices]
    rows, columns = np.flatnonzero(part.max(axis=1)), np.flatnonzero(part.max(axis=0))
    if not len(rows):
        return Box(0, 0, 0, 0)
    first, last = within.left + int(columns[0]), within.left + int(columns[-1])
    return Box(first, within.top + int(rows[0]), last + 1, within.top + int(rows[-1]) + 1)
