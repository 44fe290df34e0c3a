"""The picture of an identity: background, body, head, features, hair and light."""

from typing import Final

import cv2
import numpy as np

from app.demo.anatomy import head_outline
from app.demo.canvas import Canvas, curve, ellipse, mix, ribbon, shade
from app.demo.features import beard, brow, eye, glasses, mouth, nose
from app.demo.hair import hair_behind, hair_in_front
from app.demo.identity import Identity, Shot

SIZE: Final = 320
"""Width and height of a finished picture in pixels."""


def portrait(person: Identity, shot: Shot, rng: np.random.Generator, *, size: int = SIZE) -> Canvas:
    """A drawn face, before an artefact is added and before the camera's blur and noise."""
    canvas = Canvas(size, turn_deg=shot.turn_deg, zoom=shot.zoom, shift=shot.shift)
    draw(canvas, person, shot, rng)
    return canvas


def draw(canvas: Canvas, person: Identity, shot: Shot, rng: np.random.Generator) -> None:
    """From the background to the glasses."""
    background(canvas, shot, rng)
    hair_behind(canvas, person, rng)
    body(canvas, person, shot)
    ears(canvas, person)
    head(canvas, person, shot, rng)
    for side in (-1, 1):
        eye(canvas, person, shot, side)
        brow(canvas, person, side)
    nose(canvas, person, shot)
    mouth(canvas, person, shot)
    hair_in_front(canvas, person, rng)
    if person.glasses:
        glasses(canvas, person)


def background(canvas: Canvas, shot: Shot, rng: np.random.Generator) -> None:
    y, x = np.mgrid[0:1:64j, 0:1:64j]
    glow = np.exp(-((x - 0.5 - 0.25 * shot.light) ** 2 + (y - 0.35) ** 2) / 0.35)[..., None]
    far, near = np.asarray(shade(shot.ground, 0.82)), np.asarray(shade(shot.ground, 1.22))
    wall = (far + (near - far) * glow).astype(np.float32)
    canvas.planes[:] = cv2.resize(wall, (canvas.scale, canvas.scale)).transpose(2, 0, 1)
    for _ in range(rng.integers(0, 6)):
        cx, cy = rng.uniform(0, 1, 2)
        tint = shade(shot.ground, float(rng.uniform(0.9, 1.35)))
        canvas.paint(ellipse(cx, cy, r := rng.uniform(0.04, 0.12), r), tint, opacity=0.35, soft=0.012)


def body(canvas: Canvas, person: Identity, shot: Shot) -> None:
    shoulders = [(0.02, 1.12), (0.06, 0.96), (0.22, 0.895), (0.38, 0.86)]
    mirrored = [(1 - x, y) for x, y in reversed(shoulders)]
    neck = curve(
        [(0.405, 0.66), (0.4, 0.84), (0.36, 0.9), (0.5, 1.0), (0.64, 0.9), (0.6, 0.84), (0.595, 0.66)]
    )
    torso = curve([*shoulders, (0.5, 0.9), *mirrored, (0.5, 1.2)])
    inside = canvas.mask(torso)
    canvas.paint(torso, shot.clothes)
    canvas.paint(
        ellipse(0.5 + 0.4 * shot.light, 0.92, 0.3, 0.12),
        shade(shot.clothes, 1.25),
        opacity=0.5,
        soft=0.05,
        within=inside,
    )
    canvas.paint(
        ellipse(0.5 - 0.45 * shot.light, 1.0, 0.25, 0.2),
        shade(shot.clothes, 0.6),
        opacity=0.6,
        soft=0.06,
        within=inside,
    )
    canvas.paint(neck, shade(person.skin, 0.9))
    canvas.paint(
        ellipse(0.5, 0.79, 0.13, 0.06),
        shade(person.skin, 0.6),
        opacity=0.6,
        soft=0.025,
        within=canvas.mask(neck),
    )
    collar(canvas, shot)


def collar(canvas: Canvas, shot: Shot) -> None:
    dark, light = shade(shot.clothes, 0.75), shade(shot.clothes, 1.3)
    if shot.collar == 0:
        canvas.paint(
            ribbon([(0.35, 0.875), (0.42, 0.955), (0.5, 0.98), (0.58, 0.955), (0.65, 0.875)], 0.03, tail=0.7),
            dark,
        )
    elif shot.collar == 1:
        for s in (-1, 1):
            flap = np.asarray(
                [(0.5 + s * 0.15, 0.845), (0.5, 0.985), (0.5 + s * 0.07, 1.03), (0.5 + s * 0.2, 0.92)]
            )
            canvas.paint(flap, light)
            canvas.paint(ribbon([(0.5 + s * 0.15, 0.848), (0.5 + s * 0.07, 0.93), (0.5, 0.985)], 0.008), dark)
    else:
        canvas.paint(
            ribbon([(0.345, 0.86), (0.42, 0.93), (0.5, 1.02), (0.58, 0.93), (0.655, 0.86)], 0.022, tail=0.6),
            light,
        )


def ears(canvas: Canvas, person: Identity) -> None:
    for side in (-1, 1):
        x = 0.5 + side * (person.half_width + 0.004)
        canvas.paint(ellipse(x, 0.515, 0.027, 0.052), shade(person.skin, 0.93))
        canvas.paint(
            ellipse(x + side * 0.004, 0.515, 0.014, 0.033), shade(person.skin, 0.72), opacity=0.7, soft=0.006
        )


def head(canvas: Canvas, person: Identity, shot: Shot, rng: np.random.Generator) -> None:
    outline = head_outline(person)
    inside = canvas.mask(outline)
    lit = 0.5 + 0.13 * shot.light
    canvas.paint(outline, person.skin)
    canvas.paint(
        outline + np.array([0.11 * shot.light, 0.015]),
        shade(person.skin, 1.06),
        opacity=0.75,
        soft=0.04,
        within=inside,
    )
    shadow = canvas.mask(outline) * (
        1 - canvas.mask(outline + np.array([0.05 * shot.light, -0.02]), soft=0.03)
    )
    canvas.shade_over(shadow * 0.8, shade(person.skin, 0.62))
    canvas.paint(
        ellipse(lit, 0.34, 0.11, 0.06), shade(person.skin, 1.3), opacity=0.35, soft=0.04, within=inside
    )
    blush = mix(person.skin, (70, 60, 205), 0.45)
    for side in (-1, 1):
        canvas.paint(
            ellipse(0.5 + side * 0.125, 0.6, 0.05, 0.035), blush, opacity=0.32, soft=0.025, within=inside
        )
    if person.beard:
        beard(canvas, person, inside)
    if person.freckles:
        for x, y in rng.normal((0.5, 0.575), (0.075, 0.022), (26, 2)):
            canvas.paint(ellipse(x, y, 0.0035, 0.003), shade(person.skin, 0.66), opacity=0.5)
