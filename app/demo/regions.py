"""Where a simulated participant looks: parts of a face, and how often each is painted.

The shares are assumptions, not measurements: people who explain why a face looks false mention ears,
hair and background more often than those who explain why it looks true. The simulation knows nothing else
of a picture without a known artefact; it does not read pixels.
"""

from typing import Final, Literal

import numpy as np

Region = tuple[float, float, float, float]
"""x, y, width, height in image pixels."""
Part = Literal["eye", "mouth", "hairline", "ear", "cheek", "boundary"]

CENTRAL_FACE: Final[Region] = (0.25, 0.19, 0.5, 0.63)
"""The face box of a picture that has none, as fractions of the picture."""

PLACES: Final[dict[Part, tuple[Region, ...]]] = {
    "eye": ((0.13, 0.38, 0.3, 0.15), (0.57, 0.38, 0.3, 0.15)),
    "mouth": ((0.28, 0.72, 0.44, 0.15),),
    "hairline": ((0.1, 0.0, 0.45, 0.17), (0.45, 0.0, 0.45, 0.17)),
    "ear": ((-0.1, 0.4, 0.17, 0.25), (0.93, 0.4, 0.17, 0.25)),
    "cheek": ((0.12, 0.56, 0.25, 0.2), (0.63, 0.56, 0.25, 0.2)),
    "boundary": ((-0.3, 0.05, 0.24, 0.4), (1.06, 0.05, 0.24, 0.4)),
}
"""Fractions of the face box."""

SHARES: Final[dict[str, dict[Part, float]]] = {
    "real": {"eye": 0.34, "mouth": 0.24, "cheek": 0.2, "hairline": 0.12, "ear": 0.06, "boundary": 0.04},
    "fake": {"eye": 0.2, "mouth": 0.15, "cheek": 0.07, "hairline": 0.2, "ear": 0.19, "boundary": 0.19},
}
"""How often each part is painted, by the participant's decision on the face."""


def look_at(
    rng: np.random.Generator, *, said: str, face: Region | None, size: tuple[int, int], count: int
) -> list[Region]:
    """`count` different places of a face that somebody who calls it `said` would paint.

    `face` is its box in pixels, or None: then the middle of the picture of `size` (width, height).
    """
    width, height = size
    x, y, w, h = face or scaled(CENTRAL_FACE, (0, 0, width, height))
    shares = SHARES[said]
    parts = rng.choice(list(shares), size=count, replace=False, p=list(shares.values()))
    chosen = [PLACES[part][rng.integers(len(PLACES[part]))] for part in parts]
    return [inside(scaled(place, (x, y, w, h)), size=size) for place in chosen]


def anywhere(rng: np.random.Generator, *, size: tuple[int, int], side: float, count: int) -> list[Region]:
    """`count` squares of `side` pixels, anywhere in the picture of `size` (width, height)."""
    corners = rng.uniform(0, (size[0] - side, size[1] - side), (count, 2))
    return [(float(x), float(y), side, side) for x, y in corners]


def scaled(place: Region, box: Region) -> Region:
    """A region given in fractions of a box, in pixels."""
    x, y, w, h = box
    return x + place[0] * w, y + place[1] * h, place[2] * w, place[3] * h


def inside(region: Region, *, size: tuple[int, int]) -> Region:
    """The region moved into the picture; never smaller than 4 px."""
    x, y, w, h = region
    width, height = size
    w, h = min(max(w, 4), width), min(max(h, 4), height)
    return min(max(x, 0), width - w), min(max(y, 0), height - h), w, h
