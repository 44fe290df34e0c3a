"""The rules that raise quality flags: pure functions of one participant's work.

`docs/quality.md` says for staff what each rule looks at, its threshold, possible innocent reasons, and how
often it raises a flag for real people's strokes.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

FASTEST_DECISION_MS: Final = 300.0
"""Nobody can compare two faces and answer in less time."""

CLOCK_SLACK_MS: Final = 50.0
"""Browsers round their clocks, some to 16 ms, a few to 100 ms on purpose."""

BUSY_SLACK_MS: Final = 5_000.0
BUSY_SLACK_SHARE: Final = 0.05

FASTEST_PEN: Final = 20.0
"""Image widths per second, five times the fastest of 2,243 strokes recorded from MTurk workers."""

REPEATS_OF_A_SHAPE: Final = 2
REPEATS_OF_A_DAB: Final = 4
POINTS_OF_A_SHAPE: Final = 6
"""Nobody draws a shape of so many points twice to a tenth of a pixel; a dab by keyboard may repeat."""

STRAIGHT_WITHIN: Final = 0.002
"""Fraction of the image's width: 1 px of 512. The page's thinning of points moves a line by half of that."""

LONG_ENOUGH: Final = 0.1
"""Fraction of the image's width; shorter strokes are straight by nature."""

ENOUGH_STROKES: Final = 8
MOSTLY: Final = 0.8

SIDE_CHANCE: Final = 1e-4
"""P value of a two-sided exact binomial test; it flags one innocent participant in ten thousand."""

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


@dataclass(frozen=True, slots=True)
class VisitRecord:
    """What the rules read of one participant; trials in their order."""

    judgements: tuple[JudgedTrial, ...]
    began_at: datetime
    last_at: datetime
    is_program: bool
    """Whether the participant is simulated: its times are invented and not compared with the clock."""


class Flag(NamedTuple):
    kind: str
    trial_id: UUID | None
    detail: dict[str, Any] = field(default_factory=dict)


def flags(work: VisitRecord) -> list[Flag]:
    """The flags of all rules, in a fixed order."""
    return [flag for rule in RULES for flag in rule(work)]


def failed_check(work: VisitRecord) -> Iterator[Flag]:
    """A check trial that was answered wrongly, or whose region was not painted."""
    for judgement in work.judgements:
        if judgement.is_check and not judgement.correct:
            yield Flag("failed_check", judgement.trial_id, {})


def fast_decision(work: VisitRecord) -> Iterator[Flag]:
    """A decision faster than anybody can see two faces and answer."""
    for judgement in work.judgements:
        if judgement.decision_ms < FASTEST_DECISION_MS and not (judgement.is_check and judgement.strokes):
            yield Flag("fast_decision", judgement.trial_id, {"decision_ms": judgement.decision_ms})


def impossible_times(work: VisitRecord) -> Iterator[Flag]:
    """Times that contradict each other, or more time spent than has passed."""
    for judgement in work.judgements:
        if reason := _contradiction(judgement):
            yield Flag("impossible_times", judgement.trial_id, {"reason": reason})
    spent = sum(judgement.decision_ms + (judgement.annotation_ms or 0) for judgement in work.judgements)
    passed = (work.last_at - work.began_at).total_seconds() * 1000
    if not work.is_program and spent > passed * (1 + BUSY_SLACK_SHARE) + BUSY_SLACK_MS:
        reason = f"{spent / 1000:.0f} s at work, but only {passed / 1000:.0f} s since consent"
        yield Flag("impossible_times", None, {"reason": reason})


def _contradiction(judgement: JudgedTrial) -> str:
    ended = judgement.decision_ms + (judgement.annotation_ms or 0)
    for stroke in judgement.strokes:
        times = stroke.points[:, 2]
        if np.any(np.diff(times) < -CLOCK_SLACK_MS):
            return "a stroke that goes back in time"
        if times[0] < judgement.decision_ms - CLOCK_SLACK_MS:
            return "painted before the decision"
        if times[-1] > ended + CLOCK_SLACK_MS:
            return "painted after the submission"
        duration_s = (float(times[-1] - times[0]) + CLOCK_SLACK_MS) / 1000
        if stroke.length > FASTEST_PEN * judgement.width * duration_s:
            return "a stroke faster than a hand"
    return ""


def identical_strokes(work: VisitRecord) -> Iterator[Flag]:
    """The same drawing on several trials, to a tenth of a pixel, wherever it was put."""
    same: dict[bytes, list[UUID]] = defaultdict(list)
    least: dict[bytes, int] = {}
    for judgement in work.judgements:
        if judgement.strokes:
            shape = _shape(judgement.strokes)
            same[shape].append(judgement.trial_id)
            points = sum(len(stroke.points) for stroke in judgement.strokes)
            least[shape] = REPEATS_OF_A_SHAPE if points >= POINTS_OF_A_SHAPE else REPEATS_OF_A_DAB
    for shape, trials in same.items():
        if len(trials) >= least[shape]:
            yield Flag("identical_strokes", None, {"trials": [str(trial) for trial in trials]})


def _shape(strokes: Sequence[StrokePath]) -> bytes:
    """Bytes that are equal for equal drawings: points relative to the first one, or absolute for a dab."""
    points = np.concatenate([stroke.points[:, :2] for stroke in strokes])
    # A dab has too little shape to compare, so its position counts, too.
    origin = points[0] if len(points) >= POINTS_OF_A_SHAPE else 0.0
    lengths = np.array([len(stroke.points) for stroke in strokes])
    return lengths.tobytes() + np.round((points - origin) * 10).astype(np.int64).tobytes()


def straight_strokes(work: VisitRecord) -> Iterator[Flag]:
    """Nearly all strokes are straight, as programs draw them; so does painting by keyboard."""
    long = [
        (stroke, judgement.width)
        for judgement in work.judgements
        for stroke in judgement.strokes
        if stroke.length >= LONG_ENOUGH * judgement.width
    ]
    straight = [stroke for stroke, width in long if stroke.deviation <= STRAIGHT_WITHIN * width]
    if len(long) >= ENOUGH_STROKES and len(straight) >= MOSTLY * len(long):
        upright = all(_is_upright(stroke) for stroke in straight)
        yield Flag(
            "straight_strokes", None, {"straight": len(straight), "of": len(long), "by_keyboard": upright}
        )


def _is_upright(stroke: StrokePath) -> bool:
    """Whether every segment goes straight up, down, left or right, as painting by arrow keys does."""
    return bool(np.all(np.any(np.diff(stroke.points[:, :2], axis=0) == 0, axis=1)))


def one_side(work: VisitRecord) -> Iterator[Flag]:
    """One side was chosen too often; the correct side is random, so that faces cannot explain it."""
    sides = [judgement.chose_left for judgement in work.judgements if not judgement.is_check]
    left = sum(sides)
    if sides and 2 * bdtr(min(left, len(sides) - left), len(sides), 0.5) < SIDE_CHANCE:
        side, count = ("left", left) if left * 2 > len(sides) else ("right", len(sides) - left)
        yield Flag("one_side", None, {"side": side, "chosen": count, "of": len(sides)})


RULES: Final = (failed_check, fast_decision, impossible_times, identical_strokes, straight_strokes, one_side)

KINDS: Final = tuple(rule.__name__ for rule in RULES)
