"""Who is drawn: the features of a person who does not exist, and how one picture of them was taken."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from app.demo.canvas import Colour, mix

HairStyle = Literal["short", "parted", "long", "bob", "curls", "bun", "bald"]


def rgb(code: str) -> Colour:
    """`e8b796` -> blue, green, red."""
    red, green, blue = (float(int(code[i : i + 2], 16)) for i in (0, 2, 4))
    return blue, green, red


SKINS: Final = [
    rgb(c) for c in ("f6d7c0", "edc2a2", "e3ae8a", "cf9570", "b57b54", "946040", "74482f", "593524")
]
HAIRS: Final = [
    rgb(c) for c in ("241c1a", "3a2a22", "55382a", "7a4f31", "a8743f", "d3ac6c", "8c3f2a", "9a9691")
]
IRISES: Final = [rgb(c) for c in ("5a3a22", "6d4a2a", "4a6b45", "4d7387", "5b6f80", "3b2a20")]
CLOTHES: Final = [
    rgb(c) for c in ("2f5d62", "7a3b3b", "3b4a6b", "6b6f4a", "8a6d4b", "40404a", "a45c40", "597a8c")
]
GROUNDS: Final = [
    rgb(c) for c in ("cfd8dc", "d7cec2", "c3cfc4", "d9c9c9", "bcc7d6", "d6d2c0", "c9c3d2", "b9c9c6")
]
STYLES: Final[tuple[HairStyle, ...]] = ("short", "parted", "long", "bob", "curls", "bun", "bald")
STYLE_SHARES: Final = (0.2, 0.17, 0.19, 0.14, 0.14, 0.1, 0.06)


@dataclass(frozen=True, slots=True)
class Identity:
    """Lengths are fractions of the picture's width."""

    skin: Colour
    hair: Colour
    iris: Colour
    style: HairStyle
    side: int
    """-1 or 1: where the hair is parted."""
    half_width: float
    jaw: float
    chin: float
    eye_gap: float
    eye_size: float
    eye_tilt: float
    brow: float
    nose_width: float
    nose_length: float
    mouth_width: float
    lips: float
    freckles: bool
    glasses: bool
    beard: float
    """0 = none … 1 = dark."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What differs between two pictures of one person."""

    ground: Colour
    clothes: Colour
    collar: int
    light: float
    """-1 = from the left … 1 = from the right."""
    smile: float
    gaze: float
    turn_deg: float
    zoom: float
    shift: tuple[float, float]
    seed: int


def invent(rng: np.random.Generator) -> Identity:
    """Somebody new; label and generator have no say in it."""

    def between(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    style = STYLES[rng.choice(len(STYLES), p=STYLE_SHARES)]
    skin = int(rng.integers(len(SKINS)))
    # Fair hair is rare on dark skin, as it is among people.
    palette = HAIRS[: 4 if skin > 4 else len(HAIRS)]
    return Identity(
        skin=mix(SKINS[skin], SKINS[max(skin - 1, 0)], between(0, 0.6)),
        hair=mix(palette[rng.integers(len(palette))], HAIRS[1], between(0, 0.3)),
        iris=IRISES[rng.integers(len(IRISES))] if skin < 5 else IRISES[rng.choice([0, 1, 5])],
        style=style,
        side=int(rng.choice([-1, 1])),
        half_width=between(0.195, 0.225),
        jaw=between(0.70, 0.84),
        chin=between(0.785, 0.825),
        eye_gap=between(0.083, 0.097),
        eye_size=between(0.045, 0.053),
        eye_tilt=between(-0.004, 0.007),
        brow=between(0.011, 0.02),
        nose_width=between(0.026, 0.040),
        nose_length=between(0.0, 0.02),
        mouth_width=between(0.068, 0.088),
        lips=between(0.8, 1.35),
        freckles=bool(rng.random() < 0.15 and skin < 4),
        glasses=bool(rng.random() < 0.14),
        beard=between(0.3, 1) if style in ("short", "bald", "parted") and rng.random() < 0.4 else 0.0,
    )


def take(rng: np.random.Generator) -> Shot:
    """One sitting: light, background, clothes, expression and framing."""
    return Shot(
        ground=GROUNDS[rng.integers(len(GROUNDS))],
        clothes=CLOTHES[rng.integers(len(CLOTHES))],
        collar=int(rng.integers(3)),
        light=float(rng.uniform(-1, 1)),
        smile=float(rng.uniform(-0.15, 1)),
        gaze=float(rng.uniform(-1, 1)),
        turn_deg=float(rng.normal(0, 2.5)),
        zoom=float(rng.uniform(0.98, 1.1)),
        shift=(float(rng.normal(0, 0.01)), float(rng.uniform(-0.02, 0.02))),
        seed=int(rng.integers(2**32)),
    )
