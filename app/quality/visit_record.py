"""What the quality rules read of one participant's work."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

LONG_ENOUGH: Final = 0.1
"""Fraction of the image's width; shorter strokes are straight by nature."""

STRAIGHT_WITHIN: Final = 0.002
"""Fraction of the image's width: 1 px of 512. The page's thinning of points moves a line by half of that."""

Points = NDArray[np.float64]  # (n, 3): x, y in image pixels, t in ms since the pair was shown


@dataclass(frozen=True, slots=True)
class StrokePath:
    """One stroke, in image pixels."""

    points: Points

    @property
    def steps(self) -> NDArray[np.float64]:
        """Length of each segment in pixels, shape (n - 1,)."""
        return np.asarray(np.hypot(*np.diff(self.points[:, :2], axis=0).T), dtype=np.float64)

    @property
    def length(self) -> float:
        return float(self.steps.sum())

    @property
    def deviation(self) -> float:
        """Largest distance in pixels of a point from the line through the first and the last."""
        path = self.points[:, :2] - self.points[0, :2]
        chord = path[-1]
        length = float(np.hypot(*chord))
        if length == 0:
            return float(np.hypot(*path.T).max())
        return float(np.abs(path[:, 0] * chord[1] - path[:, 1] * chord[0]).max()) / length

    @property
    def duration_ms(self) -> float:
        return float(self.points[-1, 2] - self.points[0, 2])

    @property
    def is_upright(self) -> bool:
        """Whether every segment goes straight up, down, left or right, as painting by arrow keys does."""
        return bool(np.all(np.any(np.diff(self.points[:, :2], axis=0) == 0, axis=1)))

    def is_long(self, width: float) -> bool:
        """Whether its shape says something, on an image so many pixels wide."""
        return self.length >= LONG_ENOUGH * width

    def is_straight(self, width: float) -> bool:
        return self.deviation <= STRAIGHT_WITHIN * width

    def has_straight_legs(self, width: float) -> bool:
        """Whether it is straight, or goes straight from corner to corner over long ways.

        The page leaves out every point that its neighbours explain, so that long legs have few points.
        """
        return self.is_straight(width) or self.length >= LONG_ENOUGH * width * (len(self.points) - 1)


@dataclass(frozen=True, slots=True)
class JudgedTrial:
    """What the rules read of one decided trial."""

    trial_id: UUID
    is_check: bool
    chose_left: bool
    correct: bool
    decision_ms: float
    annotation_ms: float | None
    width: int
    """Width of the chosen image in pixels."""
    strokes: tuple[StrokePath, ...] = ()
    input: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """What the input came to, as `app.models.INPUT_FACTS` names it; empty where no page told."""


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """What the rules read of one participant; trials in their order."""

    judgements: tuple[JudgedTrial, ...]
    began_at: datetime
    last_at: datetime
    is_program: bool
    """Whether the participant is simulated: its times are invented and not compared with the clock."""
    pasted: int | None = None
    """How often something was pasted or dropped into a text field; None where no page counted."""
