"""Simulated annotators: right as often as people were, and painting parts of a face without looking at it.

Where they paint is the demonstration's model (`app/demo/regions.py`, docs/simulation.md): shares of eyes,
mouth, cheeks, hairline, ears and background that depend on what the annotator calls the face. The shares are
assumptions. They know no pixel, so a map says where people may look on faces, not what is wrong with one.
"""

from typing import Final

import numpy as np

from app.demo.regions import look_at
from app.demo.strokes import any_hand, paint
from benchmarks.photographs.images import SIDE_PX, Picture
from saliency import Annotation, ImageAnnotations, MapParameters, parse_strokes

ASKED: Final = 6
"""Annotators of each training image. Of those of CYBORG some four were right."""
RIGHT: Final = 0.692
"""Share of right decisions, of the people of CYBORG who had to paint (Boyd et al., WACV 2023)."""
MORE_PLACES: Final = (2, 0.4)
"""Places that are painted beside the first: binomial."""
PARAMETERS: Final = MapParameters(sigma_px=5.0)
"""CYBORG's: the mean over right annotations, Gaussian of 5 px on pictures of 224 px."""


def annotate(picture: Picture, rng: np.random.Generator) -> ImageAnnotations:
    """What all annotators of one picture painted, those who were wrong included."""
    people = tuple(_annotation(f"{picture.listed.name}-{n}", picture, rng) for n in range(ASKED))
    return ImageAnnotations(picture.listed.name, SIDE_PX, SIDE_PX, people)


def _annotation(name: str, picture: Picture, rng: np.random.Generator) -> Annotation:
    correct = bool(rng.random() < RIGHT)
    said = "fake" if (picture.listed.label == "fake") == correct else "real"
    places = look_at(
        rng,
        said=said,
        face=picture.face,
        size=(SIDE_PX, SIDE_PX),
        count=1 + int(rng.binomial(*MORE_PLACES)),
    )
    strokes = paint(rng, any_hand(rng), places, width=SIDE_PX, start_ms=4000)
    return Annotation(name, correct, parse_strokes(strokes, width=SIDE_PX, height=SIDE_PX))
