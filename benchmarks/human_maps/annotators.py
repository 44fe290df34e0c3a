"""Simulated annotators: strokes by the demonstration's code, which become masks and maps as people's do."""

from typing import Final

import numpy as np

from app.demo.regions import Region, anywhere, inside, look_at
from app.demo.strokes import any_hand, paint
from benchmarks.human_maps.design import Design
from saliency import Annotation, ImageAnnotations, MapParameters, parse_strokes

SIGMA: Final = 5 / 224
"""Of the map's Gaussian in frame widths: 5 px of the papers' 224."""


def parameters(design: Design) -> MapParameters:
    """How the maps of a world are built."""
    return MapParameters(sigma_px=SIGMA * design.size)


def annotate(
    image_id: str,
    rng: np.random.Generator,
    design: Design,
    *,
    head: Region,
    artefact: Region | None,
) -> ImageAnnotations:
    """What all annotators of one image painted, those who were wrong included. No artefact = a real face."""
    people = tuple(
        _annotation(f"{image_id}-{number}", rng, design, head=head, artefact=artefact)
        for number in range(design.annotators)
    )
    return ImageAnnotations(image_id, design.size, design.size, people)


def elsewhere(
    rng: np.random.Generator, design: Design, *, said: str, head: Region, count: int
) -> list[Region]:
    """What people paint who point at no artefact: parts of the face, or any places of an artefact's size."""
    size = (design.size, design.size)
    if design.place == "face":
        return look_at(rng, said=said, face=head, size=size, count=count)
    return anywhere(rng, size=size, side=2 * design.radius * design.size, count=count)


def _annotation(
    name: str, rng: np.random.Generator, design: Design, *, head: Region, artefact: Region | None
) -> Annotation:
    size = (design.size, design.size)
    correct = bool(rng.random() < design.accuracy)
    said = "fake" if (artefact is not None) == correct else "real"
    finds = artefact is not None and correct and rng.random() < design.hits
    wanted = (0 if finds else 1) + int(rng.random() < design.extra)
    regions = elsewhere(rng, design, said=said, head=head, count=wanted) if wanted else []
    if finds and artefact is not None:
        regions.insert(0, inside(artefact, size=size))
    strokes = paint(rng, any_hand(rng), regions, width=design.size, start_ms=4000)
    return Annotation(name, correct, parse_strokes(strokes, width=design.size, height=design.size))
