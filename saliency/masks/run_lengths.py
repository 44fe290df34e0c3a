"""Masks as run lengths, in the form that COCO's tools read.

Pixels are counted column by column, runs of 0 and 1 take turns, and the first is of 0. Each length but the
first three is told by its difference from the one two before; a number is written five bits a letter, the
lowest first. Source: `rleToString` and `rleEncode` in the COCO API (maskApi.c), by P. Dollár and T.-Y. Lin.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from saliency.masks.rasterizing import Ink

Lengths = NDArray[np.int64]

BITS: Final = 5
MORE: Final = 1 << BITS  # another letter of the same number follows
SIGN: Final = 1 << (BITS - 1)
FIRST_LETTER: Final = 48


def run_lengths(ink: Ink, *, width: int, height: int) -> Lengths:
    """Return the lengths of the runs of 0 and 1, in turns, of a mask of that size.

    Parameters
    ----------
    ink : the painted part, inside the image; without any there is one run of zeros
    width, height : size of the image in pixels

    Returns
    -------
    lengths : (n,) int64, whose sum is width * height; only the first may be 0
    """
    columns = np.pad(ink.mask.T.astype(np.int8), ((0, 0), (1, 1)))
    step = np.diff(columns, axis=1)
    borders = [_places(step == change, ink, height) for change in (1, -1)]
    starts, ends = borders
    new = np.ones(len(starts), dtype=bool)
    new[1:] = starts[1:] != ends[:-1]  # a run that reaches the bottom goes on at the top of the next column
    edges = np.empty(2 * int(new.sum()), dtype=np.int64)
    edges[0::2] = starts[new]
    edges[1::2] = ends[np.roll(new, -1)] if len(new) else ends
    bounds = np.concatenate(([0], edges, [width * height]))
    lengths: Lengths = np.diff(bounds)
    return lengths[:-1] if len(lengths) > 1 and lengths[-1] == 0 else lengths


def _places(where: NDArray[np.bool_], ink: Ink, height: int) -> Lengths:
    """Positions in the image, column by column, of what is marked in the box."""
    column, row = np.nonzero(where)
    places: Lengths = (column + ink.box.left) * height + row + ink.box.top
    return places


def encode_counts(lengths: Lengths) -> str:
    """Write run lengths as COCO's `counts`."""
    numbers = lengths.astype(np.int64, copy=True)
    numbers[3:] -= lengths[1:-2]
    letters = np.zeros((len(numbers), 13), dtype=np.uint8)  # 13 times five bits hold every int64
    written = np.zeros(len(numbers), dtype=np.int64)
    unfinished = np.ones(len(numbers), dtype=bool)
    for place in range(letters.shape[1]):
        low = numbers & (MORE - 1)
        numbers >>= BITS
        is_last = np.where(low & SIGN, numbers == -1, numbers == 0)
        letter = np.where(is_last, low, low | MORE) + FIRST_LETTER
        letters[unfinished, place] = letter[unfinished]
        written[unfinished] += 1
        unfinished &= ~is_last
        if not unfinished.any():
            break
    kept = np.arange(letters.shape[1]) < written[:, None]
    return letters[kept].tobytes().decode("ascii")
