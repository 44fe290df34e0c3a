"""The rules that raise quality flags: pure functions of one participant's work.

`docs/quality.md` says for staff what each rule looks at, its threshold, possible innocent reasons, and how
often it raises a flag for real people's strokes.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from scipy.special import bdtr

from app.quality import evidence
from app.quality.visit_record import JudgedTrial, StrokePath, VisitRecord

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

ENOUGH_STROKES: Final = 8
MOSTLY: Final = 0.8

SIDE_CHANCE: Final = 1e-4
"""P value of a two-sided exact binomial test; it flags one innocent participant in ten thousand."""


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
        if stroke.is_long(judgement.width)
    ]
    straight = [stroke for stroke, width in long if stroke.is_straight(width)]
    if len(long) >= ENOUGH_STROKES and len(straight) >= MOSTLY * len(long):
        upright = all(stroke.is_upright for stroke in straight)
        yield Flag(
            "straight_strokes", None, {"straight": len(straight), "of": len(long), "by_keyboard": upright}
        )


def one_side(work: VisitRecord) -> Iterator[Flag]:
    """One side was chosen too often; the correct side is random, so that faces cannot explain it."""
    sides = [judgement.chose_left for judgement in work.judgements if not judgement.is_check]
    left = sum(sides)
    if sides and 2 * bdtr(min(left, len(sides) - left), len(sides), 0.5) < SIDE_CHANCE:
        side, count = ("left", left) if left * 2 > len(sides) else ("right", len(sides) - left)
        yield Flag("one_side", None, {"side": side, "chosen": count, "of": len(sides)})


def automation(work: VisitRecord) -> Iterator[Flag]:
    """Enough evidence that a program worked the page; see `app.quality.evidence`."""
    found = [measure for measure in evidence.measures(work) if measure.is_met]
    if evidence.is_enough(found):
        yield Flag("automation", None, {"evidence": [measure.as_json() for measure in found]})


RULES: Final = (
    failed_check,
    fast_decision,
    impossible_times,
    identical_strokes,
    straight_strokes,
    one_side,
    automation,
)

KINDS: Final = tuple(rule.__name__ for rule in RULES)
