"""Bringing a map into [0, 1]."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from saliency.parameters import Scale

SaliencyMap = NDArray[np.float32]

FLAT: Final = 1e-5  # a range below this share of the peak is rounding, not relief


def scale_map(values: SaliencyMap, *, scale: Scale = "minmax", out: SaliencyMap | None = None) -> SaliencyMap:
    """Bring a map that is not negative into [0, 1].

    Parameters
    ----------
    values : (height, width) float32, at least 0
    scale : as in `MapParameters`
    out : where to write, `values` itself if they are no longer needed; a new array by default

    Returns
    -------
    scaled : (height, width) float32 in [0, 1]. A map of zeros stays zero. A constant map of anything else
        becomes 1 everywhere: everything was painted by everybody, so nothing is less salient than the rest.
    """
    scaled = np.empty_like(values) if out is None else out
    low, high = float(values.min()), float(values.max())
    if high - low <= FLAT * high:
        scaled[...] = 1.0 if high > 0 else 0.0
        return scaled
    floor = np.float32(low if scale == "minmax" else 0.0)
    if floor:
        values = np.subtract(values, floor, out=scaled)
    return np.divide(values, np.float32(high) - floor, out=scaled)
