"""Resizing of maps and images; and as torchvision does it, for detectors that were trained so."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize(array: NDArray[Any], *, width: int, height: int) -> NDArray[Any]:
    """Resize; shrinking averages the area that falls on a pixel, growing interpolates linearly, per side.

    Parameters
    ----------
    array : (height, width) or (height, width, channels), uint8, uint16 or float32, with at least one pixel

    Returns
    -------
    resized : of the same type; a constant stays that constant, an array of that size stays as it is
    """
    for size in ((width, array.shape[0]), (width, height)):
        if array.shape[1::-1] != size:
            shrinks = size < array.shape[1::-1]
            method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            array = np.asarray(cv2.resize(array, size, interpolation=method))
    return array


def resize_as_pillow(picture: NDArray[np.uint8], *, width: int, height: int) -> NDArray[np.uint8]:
    """Resize by Pillow's bilinear filter, which widens when it shrinks: torchvision's `Resize` of an image.

    Parameters
    ----------
    picture : (height, width, 3), with at least one pixel

    Returns
    -------
    resized : (height, width, 3); a constant stays that constant, a picture of that size stays as it is
    """
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
