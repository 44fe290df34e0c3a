"""Eyes, brows, nose, mouth, beard and glasses."""

from typing import Final

import numpy as np

from app.demo.anatomy import EYE_Y, MOUTH_Y, eye_centre, eye_outline
from app.demo.canvas import Canvas, Colour, Mask, curve, ellipse, mix, ribbon, shade
from app.demo.identity import Identity, Shot

INK: Final[Colour] = (34, 30, 38)


def eye(canvas: Canvas, person: Identity, shot: Shot, side: int) -> None:
    x, y = eye_centre(person, side)
    s = person.eye_size
    outline = eye_outline(person, side)
    canvas.paint(ellipse(x, y - 0.008, s * 1.25, s * 0.85), shade(person.skin, 0.7), opacity=0.4, soft=0.012)
    inside = canvas.mask(outline)
    canvas.paint(outline, (238, 240, 242))
    gx = x + shot.gaze * 0.006
    canvas.paint(ellipse(gx, y - 0.001, s * 0.46, s * 0.46), shade(person.iris, 0.6), within=inside)
    canvas.paint(ellipse(gx, y - 0.001, s * 0.38, s * 0.38), person.iris, within=inside)
    canvas.paint(
        ellipse(gx, y + 0.006, s * 0.26, s * 0.2),
        shade(person.iris, 1.4),
        opacity=0.6,
        soft=0.003,
        within=inside,
    )
    canvas.paint(ellipse(gx, y - 0.001, s * 0.19, s * 0.19), INK, within=inside)
    canvas.paint(
        ellipse(x, y - s * 0.55, s, s * 0.3), (120, 110, 115), opacity=0.45, soft=0.006, within=inside
    )
    glint = 0.008 * (1 if shot.light > 0 else -1)
    canvas.paint(ellipse(gx + glint, y - 0.009, 0.0052, 0.0052), (255, 255, 255))
    lid = [tuple(p) for p in outline[: len(outline) // 2 : 3]]
    canvas.paint(ribbon(lid, 0.0105, tail=0.25), shade(mix(person.hair, INK, 0.6), 0.8))
    crease = [(px, py - 0.014) for px, py in lid[1:-1]]
    canvas.paint(ribbon(crease, 0.005), shade(person.skin, 0.6), opacity=0.7)
    lower = [tuple(p) for p in outline[len(outline) // 2 + 3 :: 3]]
    canvas.paint(ribbon(lower, 0.004), shade(person.skin, 0.55), opacity=0.7)


def brow(canvas: Canvas, person: Identity, side: int) -> None:
    x, _ = eye_centre(person, side)
    inner, outer = x - side * 0.047, x + side * 0.058
    colour = shade(mix(person.hair, INK, 0.25), 0.85)
    canvas.paint(
        ribbon([(inner, 0.437), (x + side * 0.012, 0.42), (outer, 0.437)], person.brow, tail=0.3),
        colour,
        opacity=0.9,
        soft=0.002,
    )


def nose(canvas: Canvas, person: Identity, shot: Shot) -> None:
    y, w = 0.595 + person.nose_length, person.nose_width
    away = -1 if shot.light > 0 else 1
    canvas.paint(
        ribbon([(0.5 + away * 0.02, 0.5), (0.5 + away * 0.022, y - 0.03), (0.5 + away * w, y)], 0.022),
        shade(person.skin, 0.68),
        opacity=0.42,
        soft=0.009,
    )
    canvas.paint(ellipse(0.5, y + 0.012, w * 1.1, 0.011), shade(person.skin, 0.62), opacity=0.5, soft=0.006)
    canvas.paint(
        ribbon([(0.5 - 0.004 * away, 0.49), (0.5 - 0.004 * away, y - 0.02)], 0.014),
        shade(person.skin, 1.3),
        opacity=0.4,
        soft=0.007,
    )
    canvas.paint(
        ellipse(0.5 - away * 0.006, y - 0.012, 0.011, 0.009), shade(person.skin, 1.4), opacity=0.5, soft=0.005
    )
    for side in (-1, 1):
        canvas.paint(
            ellipse(0.5 + side * w * 0.5, y + 0.006, 0.0075, 0.0042),
            shade(person.skin, 0.4),
            opacity=0.8,
            soft=0.0015,
        )
        wing = [
            (0.5 + side * w * 0.92, y - 0.017),
            (0.5 + side * w * 1.08, y - 0.002),
            (0.5 + side * w * 0.75, y + 0.008),
        ]
        canvas.paint(ribbon(wing, 0.005), shade(person.skin, 0.6), opacity=0.65)


def mouth(canvas: Canvas, person: Identity, shot: Shot) -> None:
    w, full, lift = person.mouth_width, person.lips, 0.014 * shot.smile
    y = MOUTH_Y
    lip = mix(mix(person.skin, (80, 70, 190), 0.5), INK, 0.12)
    left, right = (0.5 - w, y - lift), (0.5 + w, y - lift)
    upper = [left, (0.478, y - 0.014 * full), (0.5, y - 0.009 * full), (0.522, y - 0.014 * full), right]
    middle = [(0.5 + w * 0.45, y + 0.003), (0.5, y + 0.004), (0.5 - w * 0.45, y + 0.003)]
    lower = [
        right,
        (0.5 + w * 0.5, y + 0.018 * full),
        (0.5, y + 0.024 * full),
        (0.5 - w * 0.5, y + 0.018 * full),
        left,
    ]
    canvas.paint(curve([*lower, *reversed(middle)]), shade(lip, 1.08))
    canvas.paint(curve([*upper, *middle]), shade(lip, 0.86))
    canvas.paint(ribbon([left, *reversed(middle), right], 0.006, tail=0.4), shade(lip, 0.42))
    canvas.paint(ellipse(0.5, y + 0.015 * full, w * 0.35, 0.004), shade(lip, 1.45), opacity=0.6, soft=0.004)
    canvas.paint(
        ellipse(0.5, y + 0.038 * full, w * 0.5, 0.007), shade(person.skin, 0.68), opacity=0.45, soft=0.008
    )
    for side in (-1, 1):
        canvas.paint(
            ellipse(0.5 + side * (w + 0.006), y - lift, 0.007, 0.008),
            shade(person.skin, 0.62),
            opacity=0.5,
            soft=0.005,
        )


def beard(canvas: Canvas, person: Identity, inside: Mask) -> None:
    w, colour, opacity = person.half_width, shade(person.hair, 0.9), 0.3 + 0.55 * person.beard
    right = [
        (0.035, 0.738),
        (person.mouth_width + 0.012, 0.7),
        (0.105, 0.665),
        (w * 0.9, 0.6),
        (w * 1.0, 0.5),
    ]
    edge = [(w + 0.04, 0.5), (w + 0.02, 0.75), (0.0, 0.9)]
    half = [(0.0, 0.742), *right, *edge]
    outline = curve([(0.5 + x, y) for x, y in [*half, *((-x, y) for x, y in reversed(half[1:-1]))]])
    canvas.paint(outline, colour, opacity=opacity, soft=0.008, within=inside)
    for side in (-1, 1):
        moustache = [
            (0.5, 0.655),
            (0.5 + side * 0.045, 0.655),
            (0.5 + side * (person.mouth_width + 0.012), 0.7),
        ]
        canvas.paint(ribbon(moustache, 0.026, tail=0.5), colour, opacity=opacity, soft=0.004)


def glasses(canvas: Canvas, person: Identity) -> None:
    for side in (-1, 1):
        x, y = eye_centre(person, side)
        rim = ellipse(x, y + 0.006, 0.071, 0.058)
        hole = ellipse(x, y + 0.006, 0.064, 0.051)
        canvas.paint(np.concatenate([rim, rim[:1], hole[:1], hole[::-1]]), (45, 40, 48))
        canvas.paint(hole, (255, 255, 255), opacity=0.06)
    canvas.paint(
        ribbon([(0.5 - 0.022, EYE_Y), (0.5, EYE_Y - 0.008), (0.5 + 0.022, EYE_Y)], 0.009, tail=0.8),
        (45, 40, 48),
    )
