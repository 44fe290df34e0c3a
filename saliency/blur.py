"""Gaussian blur that works only where there is ink.

The result equals `scipy.ndimage.gaussian_filter(image, sigma_px, mode="reflect", truncate=4)` up to float32
rounding. An image is zero outside its ink, so ink is cut into boxes whose blurred surroundings do not
overlap, and each is blurred alone.
"""

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from saliency.boxes import Box

TRUNCATE: Final = 4.0  # the kernel ends at this many standard deviations, as in scipy

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
    for box in ink_boxes(image, gap=2 * reach):
        part = box.grow(reach).meet(frame)
        blurred[part.slices] = cv2.sepFilter2D(
            image[part.slices], cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_REFLECT
        )
    return blurred


def gaussian_kernel(sigma_px: float) -> NDArray[np.float64]:
    """Return the weights that scipy uses: odd length, sum 1, cut off at `TRUNCATE` standard deviations."""
    reach = int(TRUNCATE * sigma_px + 0.5)
    weights: NDArray[np.float64] = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    weights /= weights.sum()
    return weights


def ink_boxes(image: Image, *, gap: int) -> Iterator[Box]:
    """Cut at empty bands wider than `gap` pixels: rows first, then columns, then rows once more.

    Yields
    ------
    box : boxes that hold all the ink between them; grown by half the gap they do not overlap
    """
    frame = Box(0, 0, image.shape[1], image.shape[0])
    for band in _cut(image, frame, axis=1, gap=gap):
        for block in _cut(image, band, axis=0, gap=gap):
            yield from _cut(image, block, axis=1, gap=gap)


def _cut(image: Image, box: Box, *, axis: int, gap: int) -> Iterator[Box]:
    """Yield the parts of a box between empty bands of rows (axis 1) or columns (axis 0)."""
    inked = np.flatnonzero(image[box.slices].max(axis=axis))
    if not len(inked):
        return
    breaks = np.flatnonzero(np.diff(inked) > gap + 1)
    firsts = inked[np.concatenate([[0], breaks + 1])]
    lasts = inked[np.concatenate([breaks, [-1]])]
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        if axis:
            yield Box(box.left, box.top + first, box.right, box.top + last + 1)
        else:
            yield Box(box.left + first, box.top, box.left + last + 1, box.bottom)
