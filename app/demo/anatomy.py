"""Where the parts of a face are: outlines in unit coordinates, before the head is turned."""

from typing import Final

import numpy as np

from app.demo.canvas import Points, curve
from app.demo.identity import Identity

EYE_Y: Final = 0.485
MOUTH_Y: Final = 0.69


def head_outline(person: Identity) -> Points:
    w, jaw, chin = person.half_width, person.jaw, person.chin
    upper = [(0.09, 0.2), (w * 0.83, 0.27), (w * 0.99, 0.4)]
    lower = [(w * 0.98, 0.55), (w * (jaw + 0.06), 0.67), (w * jaw * 0.74, chin - 0.05), (0.05, chin - 0.006)]
    right = [*upper, *lower]
    left = [(-x, y) for x, y in reversed(right)]
    return curve([(0.5 + x, y) for x, y in [(0.0, 0.182), *right, (0.0, chin), *left]])


def eye_centre(person: Identity, side: int) -> tuple[float, float]:
    return 0.5 + side * person.eye_gap, EYE_Y


def eye_outline(person: Identity, side: int) -> Points:
    x, y = eye_centre(person, side)
    s, tilt = person.eye_size, person.eye_tilt
    inner, outer = (x - side * s, y + 0.004), (x + side * s, y - tilt)
    return curve(
        [
            inner,
            (x - side * s * 0.35, y - s * 0.47),
            (x + side * s * 0.4, y - s * 0.46),
            outer,
            (x + side * s * 0.3, y + s * 0.36),
            (x - side * s * 0.4, y + s * 0.35),
        ]
    )


def hairline(person: Identity) -> Points:
    """The outline of the hair over the forehead; empty for a bald head."""
    w, side = person.half_width, person.side
    top = {"short": 0.135, "parted": 0.125, "long": 0.115, "bob": 0.115, "curls": 0.12, "bun": 0.15}
    if person.style == "bald":
        return np.zeros((0, 2))
    y, low = top[person.style], 0.45 if person.style in ("short", "parted", "bun", "curls") else 0.52
    half = [(w * 0.74, y + 0.05), (w * 0.98 + 0.008, 0.27), (w + 0.014, 0.36), (w + 0.006, low)]
    crown = [(0.5 - x, v) for x, v in reversed(half)] + [(0.5, y)] + [(0.5 + x, v) for x, v in half]
    fringe = {
        "parted": [
            (w * 0.93, 0.4),
            (-0.02 * side + w * 0.35, 0.265),
            (0.07 * side, 0.225),
            (-w * 0.4, 0.285),
            (-w * 0.93, 0.4),
        ],
        "short": [
            (w * 0.95, 0.4),
            (w * 0.8, 0.3),
            (w * 0.45, 0.262),
            (0.0, 0.27),
            (-w * 0.45, 0.262),
            (-w * 0.8, 0.3),
            (-w * 0.95, 0.4),
        ],
        "long": [
            (w * 0.9, 0.45),
            (w * 0.72, 0.32),
            (0.045 * side, 0.225),
            (-w * 0.72, 0.32),
            (-w * 0.9, 0.45),
        ],
        "bob": [(w * 0.9, 0.47), (w * 0.8, 0.372), (0.0, 0.352), (-w * 0.8, 0.372), (-w * 0.9, 0.47)],
        "curls": [(w * 0.9, 0.36), (w * 0.6, 0.29), (0.0, 0.27), (-w * 0.6, 0.29), (-w * 0.9, 0.36)],
        "bun": [(w * 0.93, 0.36), (w * 0.62, 0.265), (0.0, 0.235), (-w * 0.62, 0.265), (-w * 0.93, 0.36)],
    }[person.style]
    return curve([*crown, *((0.5 + x, y) for x, y in fringe)])
