"""The design of a generated world, and the designs that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, Literal, get_args

from app.demo.artefacts import CUE, RADIUS, STRENGTH
from app.demo.detectors import GUIDED
from training.config import Cyborg

WIDE: Final = "cyborg_tiny_wide"
"""Name of the network of `networks.py`."""

Place = Literal["frame", "face"]
"""Where the artefact may be, and where people paint who have not found one: anywhere, or on the face."""
Shortcut = Literal["apart", "face", "corner", "background", "inside", "frame", "none"]
"""Where the cue is that follows the label: anywhere but near the artefact, another part of the face, one
corner of the frame, a random place beside the head, the painted region itself, the frame, or nowhere."""


@dataclass(frozen=True, slots=True)
class Design:
    """One world: its faces, its artefact, its shortcut, and the people who annotate it.

    Lengths are fractions of the frame's width, strengths are grey levels of 255.
    """

    size: int = 64
    """Side of the frame in pixels."""
    train: int = 600
    val: int = 100
    test: int = 400
    """Faces; each test face is shown with and without the shortcut."""

    artefact: float = STRENGTH
    """Deviation of the texture that fakes carry."""
    place: Place = "frame"
    radius: float = RADIUS
    """Of the spoiled place."""

    shortcut: Shortcut = "apart"
    follows: float = 1.0
    """Share of training and validation images in which the shortcut agrees with the label."""
    cue: float = CUE
    """How far the shortcut shifts the colour."""

    painted: float = 1.0
    """Share of the training images that people look at; test images all have a map, to compare with."""
    annotators: int = 3
    """People who look at each of these."""
    accuracy: float = 0.75
    """Chance that one of them judges it rightly; only then do their strokes count."""
    hits: float = 0.85
    """Chance that who has found out a fake paints the artefact, and not another part of the face."""
    extra: float = 0.15
    """Chance that they paint one part more."""


def changed(design: Design, changes: Sequence[str]) -> Design:
    """A design with fields set by `NAME=VALUE`. `ValueError` says which change makes no sense."""
    known = {one.name: one.type for one in fields(design)}
    for change in changes:
        name, _, text = change.partition("=")
        if name not in known:
            raise ValueError(f"A world has no {name!r}; it has {', '.join(known)}.")
        design = replace(design, **{name: _value(known[name], name, text)})
    return design


def _value(kind: Any, name: str, text: str) -> Any:
    """The text of a field as its type."""
    if kind in (Place, Shortcut):
        if text not in get_args(kind):
            raise ValueError(f"{name} is one of {', '.join(get_args(kind))}, not {text!r}.")
        return text
    try:
        value: int | float = kind(text)
    except ValueError:
        raise ValueError(f"{name} is a number, not {text!r}.") from None
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} must not be negative or endless, and is {text}.")
    return value


@dataclass(frozen=True, slots=True)
class Regime:
    """A world and how detectors are trained in it."""

    about: str
    design: Design = field(default_factory=Design)
    architecture: str = "cyborg_tiny"
    epochs: int = 14
    cyborg: Cyborg = GUIDED


DEFAULT: Final = Regime(
    "artefact and mark anywhere, apart from one another; the mark always follows the label"
)

REGIMES: Final[dict[str, Regime]] = {
    "default": DEFAULT,
    "no_shortcut": Regime("no mark anywhere", Design(shortcut="none")),
    "leaky": Regime("the mark follows the label in 95 % of the images", Design(follows=0.95)),
    "quiet": Regime("the mark is weaker", Design(cue=50.0)),
    "faint": Regime("the artefact has half the strength", Design(artefact=24.0)),
    "face": Regime("artefact and mark on the face alone", Design(place="face", shortcut="face")),
    "corner": Regime("artefact on the face, mark in one corner", Design(place="face", shortcut="corner")),
    "inside": Regime("the mark lies over the place that is painted", Design(shortcut="inside")),
    "frame": Regime("the whole frame is tinted", Design(shortcut="frame", cue=20.0)),
    "wide": Regime("most cells of the map see the whole frame", architecture=WIDE),
    "longer": Regime("twice as many epochs", epochs=28),
    "light_maps": Regime("the maps weigh what they weigh in the paper", cyborg=Cyborg()),
    "careless": Regime("annotators hit the artefact in half of the cases", Design(hits=0.5)),
}
"""Each differs from the default in what it says."""
