"""Degradations of test images: what happens to a picture before a detector meets it. No torch.

Each takes and gives a picture (height, width, 3) uint8 RGB of the same size. What is drawn at random (noise,
the place of a crop, the qualities of `social`) depends on the seed and the image alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.errors import RecipeError

CLEAN: Final = "none"
"""Stands for images as they are where a degradation is named."""

Picture = NDArray[np.uint8]
Change = Callable[[Picture, float, np.random.Generator], Picture]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of degradation."""

    change: Change
    what: str
    """What its value is, for errors and documentation; empty for a kind without one."""
    low: float = 0.0
    high: float = 0.0
    """Values that it takes, both ends included."""
    values: tuple[float, ...] = ()
    """Those that are meant by the name alone."""


@dataclass(frozen=True, slots=True)
class Degradation:
    """A kind with its value, such as JPEG compression at quality 50."""

    kind: str
    value: float | None = None

    @property
    def name(self) -> str:
        return self.kind if self.value is None else f"{self.kind}:{self.value:g}"

    def apply(self, picture: Picture, *, seed: int, image_id: str) -> Picture:
        """The picture after it; (height, width, 3) uint8 RGB."""
        digest = hashlib.sha256(f"{seed}/{self.name}/{image_id}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        return KINDS[self.kind].change(picture, self.value or 0.0, rng)


def parse_degradations(texts: Sequence[str]) -> list[Degradation]:
    """Degradations of `KIND` or `KIND:VALUE,VALUE`, several in one text with spaces between.

    `RecipeError`: an unknown kind, a value out of its range, or one that is named twice
    """
    found = [one for text in texts for word in text.split() for one in _parsed(word)]
    if twice := next((one.name for at, one in enumerate(found) if one in found[:at]), ""):
        raise RecipeError(f"The degradation {twice} is named twice.")
    return found


def _parsed(word: str) -> list[Degradation]:
    name, _, values = word.partition(":")
    kind = KINDS.get(name)
    if kind is None:
        raise RecipeError(f"There is no degradation {name!r}; the known ones are {', '.join(KINDS)}.")
    if not kind.what:
        if values:
            raise RecipeError(f"The degradation {name} takes no value, not {values!r}.")
        return [Degradation(name)]
    numbers = [_number(name, kind, text) for text in values.split(",")] if values else list(kind.values)
    return [Degradation(name, number) for number in numbers]


def _number(name: str, kind: Kind, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not kind.low <= number <= kind.high:
        raise RecipeError(f"{name} is {kind.what} from {kind.low:g} to {kind.high:g}, not {text!r}.")
    return number


def _coded(picture: Picture, ending: str, options: Sequence[int]) -> Picture:
    """The picture after an encoder and a decoder of OpenCV."""
    bgr = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR)
    _, code = cv2.imencode(ending, bgr, list(options))
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR_RGB), np.uint8)


def _jpeg(picture: Picture, quality: float, _rng: np.random.Generator) -> Picture:
    return _coded(picture, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, round(quality)])


def _webp(picture: Picture, quality: float, _rng: np.random.Generator) -> Picture:
    return _coded(picture, ".webp", [cv2.IMWRITE_WEBP_QUALITY, round(quality)])


def _resize(picture: Picture, factor: float, _rng: np.random.Generator) -> Picture:
    """Shrunk (mean over the area) and enlarged to what it was (bicubic)."""
    height, width = picture.shape[:2]
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    shrunk = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _blur(picture: Picture, sigma: float, _rng: np.random.Generator) -> Picture:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def _noise(picture: Picture, deviation: float, rng: np.random.Generator) -> Picture:
    noisy = picture + rng.normal(0, deviation, picture.shape)
    return np.asarray(noisy.round().clip(0, 255), np.uint8)


def _crop(picture: Picture, share: float, rng: np.random.Generator) -> Picture:
    """A part of both sides, anywhere in the picture, enlarged to what it was (bilinear)."""
    height, width = picture.shape[:2]
    kept_height, kept_width = max(1, round(height * share)), max(1, round(width * share))
    top, left = rng.integers(height - kept_height + 1), rng.integers(width - kept_width + 1)
    part = picture[top : top + kept_height, left : left + kept_width]
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _social(picture: Picture, _value: float, rng: np.random.Generator) -> Picture:
    """Uploaded and sent on: a JPEG of quality 80 to 95, three quarters of the size, a JPEG of 60 to 80."""
    first = _jpeg(picture, float(rng.integers(80, 96)), rng)
    return _jpeg(_resize(first, 0.75, rng), float(rng.integers(60, 81)), rng)


KINDS: Final = {
    "jpeg": Kind(_jpeg, "a quality", 1, 100, (90, 70, 50, 30)),
    "webp": Kind(_webp, "a quality", 1, 100, (80, 50)),
    "resize": Kind(_resize, "a factor", 0.05, 1, (0.75, 0.5)),
    "blur": Kind(_blur, "a standard deviation in pixels", 0.1, 50, (1, 2)),
    "noise": Kind(_noise, "a standard deviation in levels of 255", 0.1, 128, (5, 10)),
    "crop": Kind(_crop, "a share of each side", 0.1, 1, (0.9, 0.8)),
    "social": Kind(_social, ""),
}
