"""Portraits drawn by code whose eyes and mouth are at known places."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.demo.anatomy import MOUTH_Y, eye_centre
from app.demo.identity import invent, take
from app.demo.portrait import portrait

SIZE = 320


@dataclass(frozen=True)
class Portrait:
    """A bareheaded person from the front."""

    pixels: NDArray[np.uint8]
    """(320, 320, 3), RGB."""
    eyes: NDArray[np.float64]
    """(2, 2): x, y of the centres, the picture's left first."""
    mouth: NDArray[np.float64]
    """(2,): its middle."""


def draw_portrait(seed: int, *, turn_deg: float = 0, zoom: float = 1) -> Portrait:
    rng = np.random.default_rng(seed)
    person = replace(invent(rng), glasses=False, beard=0.0, style="short")
    shot = replace(take(rng), turn_deg=turn_deg, zoom=zoom, shift=(0.0, 0.0))
    canvas = portrait(person, shot, rng, size=SIZE)
    landmarks = np.array([eye_centre(person, -1), eye_centre(person, 1), (0.5, MOUTH_Y)])
    places = canvas.place(landmarks) * SIZE / canvas.scale
    return Portrait(np.ascontiguousarray(canvas.finished()[..., ::-1]), places[:2], places[2])
