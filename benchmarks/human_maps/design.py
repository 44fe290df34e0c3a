"""What a generated world looks like, and the worlds that are compared."""

from dataclasses import dataclass, replace
from typing import Final, Literal

Shortcut = Literal["corner", "background", "anywhere", "inside", "frame", "none"]
"""Where the cue is that follows the label: one corner of the frame, a random place beside the head, a random
place anywhere but the artefact's, the painted region itself, the colour of the whole frame, or nowhere."""


@dataclass(frozen=True, slots=True)
class Design:
    """One world: its faces, its artefact, its shortcut, and the people who annotate it.

    Lengths are fractions of the frame's width, strengths are grey levels of 255.
    """

    size: int = 64
    """Side of the frame in pixels."""
    train: int = 800
    val: int = 200
    test: int = 600
    """Faces; each test face is shown with and without the shortcut."""

    artefact: float = 12.0
    """Deviation of the texture that fakes carry."""
    radius: float = 0.08
    """Of the spoiled place."""
    distractors: float = 0.0
    """Share of images, real and fake alike, with a patch of the same texture beside the head."""

    shortcut: Shortcut = "corner"
    follows: float = 0.95
    """Share of training and validation images in which the shortcut agrees with the label."""
    cue: float = 40.0
    """How far the shortcut shifts the colour."""

    annotators: int = 3
    """People who look at each training image."""
    accuracy: float = 0.75
    """Chance that one of them judges it rightly; only then do their strokes count."""
    hits: float = 0.85
    """Chance that who has found out a fake paints the artefact, and not another part of the face."""
    extra: float = 0.15
    """Chance that they paint one part more."""


DEFAULT: Final = Design()

REGIMES: Final[dict[str, Design]] = {
    "default": DEFAULT,
    "no_shortcut": replace(DEFAULT, shortcut="none"),
}
