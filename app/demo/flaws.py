"""What gives a generated face away: three "generators", each of which spoils one small place.

All of them leave the same faint weave, as upsampling networks do, and bend what is under it; they
differ in where. Skin, light, background, framing and grain come from the same draws as those of a
clean face, so nothing else tells the two apart.
"""

from typing import Final

import cv2
import numpy as np

from app.demo.anatomy import MOUTH_Y, eye_centre
from app.demo.canvas import Canvas, Mask, Pixels, Points, ellipse
from app.demo.identity import Identity
from app.demo.portrait import Flaw

WEAVE_PERIOD: Final = 0.034
WEAVE_STRENGTH: Final = 14.0
"""Grey levels."""
WEAVE_TINT: Final = (16.0, -12.0, 9.0)
"""Levels of blue, green and red: a colour cast that the ripple comes and goes with."""
BEND: Final = 0.0065
"""How far the bent part is moved, as a fraction of the width."""
BEND_PERIOD: Final = 0.075


def one_eye(canvas: Canvas, person: Identity, rng: np.random.Generator) -> Points:
    x, y = eye_centre(person, int(rng.choice([-1, 1])))
    return spoil(canvas, ellipse(x, y, 0.066, 0.047), rng)


def mouth_corner(canvas: Canvas, person: Identity, rng: np.random.Generator) -> Points:
    x = 0.5 + rng.choice([-1, 1]) * person.mouth_width * 0.75
    return spoil(canvas, ellipse(float(x), MOUTH_Y, 0.062, 0.052), rng)


def one_ear(canvas: Canvas, person: Identity, rng: np.random.Generator) -> Points:
    x = 0.5 + rng.choice([-1, 1]) * (person.half_width + 0.006)
    return spoil(canvas, ellipse(float(x), 0.5, 0.05, 0.075), rng)


def spoil(canvas: Canvas, place: Points, rng: np.random.Generator) -> Points:
    """Bend the drawing inside `place` and lay the weave over it; fades out at the edge."""
    rows, columns = canvas.around(place, margin=0.06)
    inside = canvas.mask(place, soft=0.012)[rows, columns]
    patch = canvas.planes[:, rows, columns]
    bend(patch, inside, rng, unit=canvas.scale)
    patch += weave(inside, rng, unit=canvas.scale)
    return place


def bend(patch: Pixels, inside: Mask, rng: np.random.Generator, *, unit: int) -> None:
    """Shift what lies under the mask (h, w) along waves, in place; `unit` is the canvas width in pixels."""
    height, width = inside.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    angle, phase = rng.uniform(0, 2 * np.pi, 2)
    along = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / (BEND_PERIOD * unit) + phase
    from_x = (x + BEND * unit * inside * np.sin(along)).astype(np.float32)
    from_y = (y + BEND * unit * inside * np.cos(along)).astype(np.float32)
    for plane in patch:
        bent = cv2.remap(plane, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        np.copyto(plane, bent)


def weave(inside: Mask, rng: np.random.Generator, *, unit: int) -> Pixels:
    """Levels to add, (3, h, w): a chequered ripple of brightness and of colour under the mask (h, w)."""
    height, width = inside.shape
    turn = 2 * np.pi / (WEAVE_PERIOD * unit)
    rows = np.sin(np.arange(height) * turn + rng.uniform(0, 2 * np.pi))
    columns = np.sin(np.arange(width) * turn + rng.uniform(0, 2 * np.pi))
    ripple = inside * np.outer(rows, columns)
    tint = np.asarray(WEAVE_TINT)[:, None, None]
    return np.asarray(WEAVE_STRENGTH * ripple + tint * (inside + ripple), np.float32)


GENERATORS: Final[dict[str, Flaw]] = {"drawn-eye": one_eye, "drawn-mouth": mouth_corner, "drawn-ear": one_ear}
HELD_OUT: Final = "drawn-ear"
"""Met in the test split alone: the generator that nobody trained on."""
