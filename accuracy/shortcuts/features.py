"""Numbers of an image that say little of the face in it: compression, size, colour, spectrum, background.

Pictures are (height, width, 3) uint8 RGB. Every function gives a vector of fixed length, finite for any
picture, also for one of a single colour.
"""

from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.fft import rfft2

from accuracy.statistics.intervals import Floats
from saliency.images.crop import FaceBox
from saliency.images.file_facts import CHROMA, FileFacts

Picture = NDArray[np.uint8]

GROUPS: Final = {
    "encoding": "how the files are compressed",
    "size": "the size of the files in pixels",
    "bytes": "bytes for each pixel",
    "colour": "mean and spread of the colours",
    "spectrum": "the radial power spectrum",
    "background": "the background at the border",
}
"""What each group of numbers is, in words."""
OF_FILES: Final = ("encoding", "size", "bytes")
"""Groups that a file's header tells; the others need its pixels."""

RINGS: Final = 16
"""Bands of spatial frequency, from 0 to half a cycle for each pixel."""
BORDER: Final = 1 / 16
"""Width of the border, as a share of the shorter side."""


def file_features(facts: FileFacts) -> dict[str, Floats]:
    """The groups `OF_FILES`. Formats without loss count as quality 100."""
    chroma = CHROMA.index(facts.chroma) if facts.chroma else -1
    lossy = facts.format in ("WEBP", "AVIF")
    pixels = facts.width * facts.height
    return {
        "encoding": _vector(facts.format == "JPEG", lossy, facts.quality or 100, chroma),
        "size": np.log(_vector(facts.width, facts.height)),
        "bytes": np.log(_vector(facts.bytes / pixels)),
    }


def pixel_features(picture: Picture, face: FaceBox | None = None) -> dict[str, Floats]:
    """The groups that a picture tells.

    face : pixels in it are no background; None takes the whole border
    """
    return {
        "colour": colour_features(picture),
        "spectrum": spectrum_features(picture),
        "background": background_features(picture, face),
    }


def colour_features(picture: Picture) -> Floats:
    """(6,) mean and standard deviation of red, green and blue."""
    return _moments(picture.reshape(-1, 3))


def spectrum_features(picture: Picture) -> Floats:
    """(16,) logarithm of the mean power in rings of spatial frequency, of the largest centred square in grey.

    A Hann window keeps the edges of the picture out of it.
    """
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = np.ascontiguousarray(picture[top : top + side, left : left + side])
    grey = cv2.cvtColor(square, cv2.COLOR_RGB2GRAY).astype(np.float32)
    window = np.hanning(side).astype(np.float32)
    waves = rfft2((grey - grey.mean()) * window[:, None] * window) / side
    ring, count = _rings(side)
    power = np.bincount(ring.ravel(), weights=(np.abs(waves) ** 2).ravel(), minlength=RINGS)[:RINGS]
    return np.asarray(np.log(power / np.maximum(count, 1) + 1e-6), np.float64)


@lru_cache(maxsize=16)
def _rings(side: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The ring of each frequency of `rfft2`, those in the corners beyond half a cycle last; waves of each."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    ring = np.minimum((frequency * 2 * RINGS).astype(np.intp), RINGS)
    return ring, np.bincount(ring.ravel(), minlength=RINGS)[:RINGS]


def background_features(picture: Picture, face: FaceBox | None = None) -> Floats:
    """(24,) of the upper, left and right border: mean and deviation of each colour, contrast along both axes.

    Below the face is its neck, which is no background. A side that the face box fills is taken as it is.
    """
    height, width = picture.shape[:2]
    wide = max(2, round(min(height, width) * BORDER))
    outside = np.ones((height, width), bool)
    if face is not None:
        x, y, w, h = (round(value) for value in face)
        outside[max(y, 0) : max(y + h, 0), max(x, 0) : max(x + w, 0)] = False
    sides = (np.s_[:wide], np.s_[wide:, :wide], np.s_[wide:, -wide:])
    return np.concatenate([_side_features(picture[side], outside[side]) for side in sides])


def _side_features(strip: Picture, outside: NDArray[np.bool_]) -> Floats:
    chosen = outside if outside.any() else np.ones_like(outside)
    grey = cv2.cvtColor(np.ascontiguousarray(strip), cv2.COLOR_RGB2GRAY).astype(np.float32)
    contrast = [
        np.abs(np.diff(grey, axis=axis))[both].mean() if both.any() else 0.0
        for axis, both in ((0, chosen[1:] & chosen[:-1]), (1, chosen[:, 1:] & chosen[:, :-1]))
    ]
    return np.concatenate([_moments(strip[chosen]), np.log1p(contrast)])


def _moments(pixels: NDArray[Any]) -> Floats:
    """(6,) mean and deviation of each channel of (N, 3) pixels."""
    values = pixels.astype(np.float64)
    return np.concatenate([values.mean(axis=0), values.std(axis=0)])


def _vector(*values: float) -> Floats:
    return np.array(values, np.float64)
