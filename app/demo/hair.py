"""Hair behind the head and over the forehead."""

import numpy as np

from app.demo.anatomy import hairline, head_outline
from app.demo.canvas import Canvas, Colour, Mask, curve, ellipse, ribbon, shade
from app.demo.identity import Identity


def hair_behind(canvas: Canvas, person: Identity, rng: np.random.Generator) -> None:
    w, colour = person.half_width, shade(person.hair, 0.72)
    match person.style:
        case "long":
            outline = curve(
                [
                    (0.5, 0.12),
                    (0.5 + w + 0.05, 0.25),
                    (0.5 + w + 0.075, 0.55),
                    (0.5 + w + 0.06, 0.95),
                    (0.5, 1.0),
                    (0.5 - w - 0.06, 0.95),
                    (0.5 - w - 0.075, 0.55),
                    (0.5 - w - 0.05, 0.25),
                ]
            )
        case "bob":
            outline = curve(
                [
                    (0.5, 0.12),
                    (0.5 + w + 0.055, 0.27),
                    (0.5 + w + 0.07, 0.55),
                    (0.5 + w + 0.03, 0.74),
                    (0.5, 0.74),
                    (0.5 - w - 0.03, 0.74),
                    (0.5 - w - 0.07, 0.55),
                    (0.5 - w - 0.055, 0.27),
                ]
            )
        case "bun":
            canvas.paint(ellipse(0.5, 0.12, 0.085, 0.075), colour)
            canvas.paint(ellipse(0.5, 0.1, 0.05, 0.035), shade(person.hair, 1.15), opacity=0.5, soft=0.02)
            return
        case "curls":
            for angle in np.linspace(np.pi * 0.9, np.pi * 2.1, 17):
                cx, cy = 0.5 + (w + 0.03) * np.cos(angle), 0.39 + 0.22 * np.sin(angle)
                canvas.paint(ellipse(cx, cy, r := float(rng.uniform(0.05, 0.07)), r), colour)
            return
        case _:
            return
    canvas.paint(outline, colour)
    strands(canvas, canvas.mask(outline), person.hair, rng, count=26, top=0.25, bottom=0.97, spread=w + 0.07)


def hair_in_front(canvas: Canvas, person: Identity, rng: np.random.Generator) -> None:
    outline = hairline(person)
    if not len(outline):
        return
    canvas.paint(
        outline + np.array([0, 0.012]),
        shade(person.skin, 0.55),
        opacity=0.35,
        soft=0.01,
        within=canvas.mask(head_outline(person)),
    )
    canvas.paint(outline, person.hair)
    strands(
        canvas,
        canvas.mask(outline),
        person.hair,
        rng,
        count=44,
        top=0.13,
        bottom=0.42,
        spread=person.half_width + 0.03,
    )
    if person.style == "curls":
        for x, y in rng.uniform(
            (0.5 - person.half_width * 0.8, 0.18), (0.5 + person.half_width * 0.8, 0.27), (34, 2)
        ):
            canvas.paint(
                ellipse(x, y, 0.028, 0.028), shade(person.hair, float(rng.uniform(0.8, 1.15))), opacity=0.7
            )
            canvas.paint(
                ribbon([(x - 0.016, y), (x, y - 0.016), (x + 0.016, y)], 0.006),
                shade(person.hair, 1.25),
                opacity=0.5,
            )


def strands(
    canvas: Canvas,
    inside: Mask,
    colour: Colour,
    rng: np.random.Generator,
    *,
    count: int,
    top: float,
    bottom: float,
    spread: float,
) -> None:
    """Fine lines that fall from the crown: what makes a patch of colour look like hair."""
    for _ in range(count):
        x = float(rng.uniform(-spread, spread))
        y = bottom + float(rng.normal(0, 0.03))
        path = [(0.5 + x * 0.25, top), (0.5 + x * 0.85, top + 0.25 * (y - top)), (0.5 + x * 1.05, y)]
        tone = shade(colour, float(rng.choice([0.7, 0.8, 1.12, 1.2])))
        canvas.paint(ribbon(path, float(rng.uniform(0.004, 0.012))), tone, opacity=0.5, within=inside)
