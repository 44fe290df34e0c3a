"""Gaussian blur that works only where there is ink.

The result equals `scipy.ndimage.gaussian_filter(image, sigma_px, mode="reflect", truncate=4)` up to float32
rounding. First along rows, by OpenCV, in strips cut down to the columns that hold ink. Then along columns,
where OpenCV is three times slower: every few rows of the result are a product of a small matrix of weights
with the rows around them. Pixels that lie further from any ink than the kernel reaches are never touched.
"""

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

TRUNCATE: Final = 4.0  # the kernel ends at this many standard deviations, as in scipy
STRIP_PX: Final = 64  # rows whose columns of ink are looked for together
BLOCK_PX: Final = 16  # rows of one product; its cost per pixel is this plus the length of the kernel
PRODUCT_AT_ONCE: Final = 2**18  # multiplications; OpenBLAS begins to share larger products among threads
NARROWEST_PX: Final = 64  # columns of a product; less is not worth a call

Image = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
Blurred = NDArray[np.float32]


def blur(image: Image, *, sigma_px: float) -> Blurred:
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
    rows_blurred: Blurred = np.zeros(image.shape, dtype=np.float32)
    blurred: Blurred = np.zeros(image.shape, dtype=np.float32)
    strips = [_blur_rows(image, top, kernel, out=rows_blurred) for top in range(0, len(image), STRIP_PX)]
    weights = _Weights(kernel, height=len(image))
    for top in range(0, len(image), BLOCK_PX):
        block = weights.block(top)
        # Only columns that hold ink in the strips within the kernel's reach of these rows.
        near = strips[block.first // STRIP_PX : -(-block.last // STRIP_PX)]
        inked = [columns for columns in near if columns.right]
        if inked:
            left, right = min(columns.left for columns in inked), max(columns.right for columns in inked)
            _blur_columns(rows_blurred[:, left:right], block, out=blurred[:, left:right])
    return blurred


def gaussian_kernel(sigma_px: float) -> NDArray[np.float64]:
    """Return the weights that scipy uses: odd length, sum 1, cut off at `TRUNCATE` standard deviations."""
    reach = int(TRUNCATE * sigma_px + 0.5)
    weights: NDArray[np.float64] = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma_px) ** 2)
    weights /= weights.sum()
    return weights


class _NonzeroColumns(NamedTuple):
    """Columns that hold anything; none when left = right."""

    left: int
    right: int


def _blur_rows(image: Image, top: int, kernel: NDArray[np.float64], *, out: Blurred) -> _NonzeroColumns:
    """Blur a strip along its rows; return the columns where the result is not zero.

    The border that OpenCV makes up is right at the image's edges; anywhere else it mirrors zeros.
    """
    strip = image[top : top + STRIP_PX]
    inked = np.flatnonzero(strip.max(axis=0))
    if not len(inked):
        return _NonzeroColumns(0, 0)
    reach = len(kernel) // 2
    left, right = max(0, int(inked[0]) - reach), min(image.shape[1], int(inked[-1]) + 1 + reach)
    # filter2D correlates; the kernel is symmetric, so that is the convolution.
    source = strip[:, left:right].astype(np.float32)
    cv2.filter2D(
        source,
        cv2.CV_32F,
        kernel[None],
        dst=out[top : top + STRIP_PX, left:right],
        borderType=cv2.BORDER_REFLECT,
    )
    return _NonzeroColumns(left, right)


class _Block(NamedTuple):
    """Rows `top` up to `end` of the result as a product of weights with the rows `first` up to `last`."""

    top: int
    end: int
    first: int
    last: int
    weights: Blurred


class _Weights:
    """Makes the blocks; those that are equally far from the edges of the image share their weights."""

    def __init__(self, kernel: NDArray[np.float64], *, height: int) -> None:
        self.kernel, self.height = kernel, height
        self.cache: dict[tuple[int, int, int], Blurred] = {}

    def block(self, top: int) -> _Block:
        reach = len(self.kernel) // 2
        end = min(top + BLOCK_PX, self.height)
        first, last = max(0, top - reach), min(self.height, end + reach)
        shape = (end - top, top - first, last - end)
        if shape not in self.cache:
            self.cache[shape] = self._weights(top, end, first, last)
        return _Block(top, end, first, last, self.cache[shape])

    def _weights(self, top: int, end: int, first: int, last: int) -> Blurred:
        reach = len(self.kernel) // 2
        rows = np.arange(top, end)[:, None]
        # Reflection at both edges repeats every 2 x height rows; a kernel longer than the image wraps too.
        sources = (rows + np.arange(-reach, reach + 1)) % (2 * self.height)
        sources = np.where(sources < self.height, sources, 2 * self.height - 1 - sources)
        weights = np.zeros((end - top, last - first))
        # Several mirrored rows may be the same row of the image, so their weights are added, not assigned.
        np.add.at(weights, (rows - top, sources - first), self.kernel)
        return weights.astype(np.float32)


def _blur_columns(image: Blurred, block: _Block, *, out: Blurred) -> None:
    step = max(NARROWEST_PX, PRODUCT_AT_ONCE // block.weights.size)
    for left in range(0, image.shape[1], step):
        columns = slice(left, left + step)
        rows = image[block.first : block.last, columns]
        np.matmul(block.weights, rows, out=out[block.top : block.end, columns])
