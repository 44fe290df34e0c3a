"""Evidence that a program and no person worked the page: one number each, with its limit; for review only.

`docs/quality.md` says where each limit comes from, what else explains each piece, and what none of them can
know. `benchmarks/human_hand.py` measures how often people and simple programs meet them.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np

from app.quality.visit_record import JudgedTrial, StrokePath, VisitRecord

SCRIPTED: Final = 3
"""Events made by script; one or two may come of a browser's extension that went wrong."""

ENOUGH: Final = 8
"""Strokes, pauses or presses; fewer say nothing."""

ENOUGH_KEYS: Final = 20
FAR: Final = 60.0
"""CSS px from press to press in the mean; a shorter way is straight by nature."""

WAY: Final = 1.02
"""The mouse's way to its presses, as a multiple of the straight line."""

MOVES: Final = 3.0
"""Moves of the mouse on its way to a press. A screen shows 60 in a second."""

STRAIGHT: Final = 0.6
EVEN: Final = 0.5
"""Shares of strokes."""

PACE: Final = 0.03
"""Largest difference, at a point of a stroke, between the shares of its length and of its time gone by."""

BENT: Final = 4
"""Points; a stroke of fewer has no pace to speak of."""

PAUSES: Final = 0.05
DURATIONS: Final = 0.1
"""Interquartile range as a fraction of the median."""

PRESSED: Final = 1
"""Presses of a trap: no hand, key or screen reader reaches it."""

HELD_MS: Final = 5.0
"""Nobody lets go of a key so soon."""

PASTED: Final = 1
"""Pastes and drops."""

PROOF: Final = 2
CLUE: Final = 1
NOTE: Final = 0
Word = Literal["proof", "clue", "note"]
WORDS: Final[Mapping[int, Word]] = {PROOF: "proof", CLUE: "clue", NOTE: "note"}


@dataclass(frozen=True, slots=True)
class Measure:
    """One piece of evidence.

    found : the number; None where there was too little to measure
    about : clues about one thing count once
    weight : `PROOF` raises the flag alone, a `CLUE` does not, a `NOTE` never helps to
    """

    name: str
    about: str
    weight: int
    found: float | None
    limit: float
    is_at_least: bool
    """Whether numbers from the limit on are evidence; else those up to it."""

    @property
    def is_met(self) -> bool:
        if self.found is None:
            return False
        compare: Callable[[float, float], bool] = operator.ge if self.is_at_least else operator.le
        return compare(self.found, self.limit)

    @property
    def word(self) -> Word:
        return WORDS[self.weight]

    @property
    def label(self) -> str:
        return LABELS[self.name]

    def as_json(self) -> dict[str, Any]:
        """What is kept with the flag."""
        return {"name": self.name, "found": round(self.found or 0.0, 4), "limit": self.limit}


LABELS: Final = {
    "controlled": "Trials in which the browser said that a program controls it",
    "trap": "Presses of a button that only the page's markup has",
    "scripted_pointer": "Presses and moves of the pointer that a script made",
    "scripted_clicks": "Clicks and keys that a script or an extension made",
    "mouse_way": "Way of the mouse between presses, as a multiple of the straight line",
    "mouse_moves": "Moves of the mouse for each press",
    "straight_legs": "Share of long strokes that go straight, or straight from corner to corner",
    "even_pace": "Share of bent strokes drawn at one pace",
    "even_pauses": "Spread of the pauses between strokes",
    "even_durations": "Spread of the durations of strokes",
    "held_keys": "Median time that a key was down, in ms",
    "pasted": "Pastes and drops into text fields of the closing questions",
}
"""Every measure, in the order in which they are shown."""


def measures(work: VisitRecord) -> list[Measure]:
    """All pieces of evidence of a visit, met or not, in a fixed order."""
    return [*_of_browser(work), *_of_mouse(work), *_of_strokes(work), *_of_keys(work), _of_answers(work)]


def is_enough(met: Sequence[Measure]) -> bool:
    """Whether these pieces raise the flag: one proof, or clues about two things or two about strokes.

    Without a stroke among the clues they do not: a screen reader, a switch or a voice moves the mouse and
    presses keys as a program does. So a visit by keyboard alone is never flagged for how it was worked.
    """
    if any(measure.weight == PROOF for measure in met):
        return True
    clues = [measure for measure in met if measure.weight == CLUE]
    strokes = [measure for measure in clues if measure.about == "strokes"]
    others = {measure.about for measure in clues} - {"strokes"}
    return bool(strokes) and len(strokes) + len(others) > 1


def _sum(work: VisitRecord, kind: str, *facts: str) -> float:
    told = [judgement.input.get(kind, {}) for judgement in work.judgements]
    return sum(counts.get(fact, 0.0) for counts in told for fact in facts)


def _of_browser(work: VisitRecord) -> Iterator[Measure]:
    controlled = _sum(work, "controlled", "webdriver")
    pointer = _sum(work, "scripted", "presses", "moves")
    clicks = _sum(work, "scripted", "clicks", "keys")
    yield Measure("controlled", "browser", PROOF, controlled, 1, is_at_least=True)
    trap = _sum(work, "trap", "presses") if _sum(work, "trap", "shown") else None
    yield Measure("trap", "trap", PROOF, trap, PRESSED, is_at_least=True)
    yield Measure("scripted_pointer", "script", PROOF, pointer, SCRIPTED, is_at_least=True)
    yield Measure("scripted_clicks", "script", CLUE, clicks, SCRIPTED, is_at_least=True)


def _of_mouse(work: VisitRecord) -> Iterator[Measure]:
    presses, moves, path, straight = (
        _sum(work, "mouse", fact) for fact in ("presses", "moves", "path", "straight")
    )
    is_enough = presses >= ENOUGH and straight >= FAR * presses
    way, each = (path / straight, moves / presses) if is_enough else (None, None)
    yield Measure("mouse_way", "mouse", CLUE, way, WAY, is_at_least=False)
    yield Measure("mouse_moves", "mouse", CLUE, each, MOVES, is_at_least=False)


def _of_strokes(work: VisitRecord) -> Iterator[Measure]:
    drawn = [(one, _by_pointer(one)) for one in work.judgements]
    long = [(stroke, one.width) for one, strokes in drawn for stroke in strokes if stroke.is_long(one.width)]
    straight = [stroke.has_straight_legs(width) for stroke, width in long]
    bent = [
        pace(stroke) <= PACE
        for (stroke, _), is_straight in zip(long, straight, strict=True)
        if not is_straight and len(stroke.points) >= BENT
    ]
    pauses = [
        float(later.points[0, 2] - earlier.points[-1, 2])
        for _, strokes in drawn
        for earlier, later in pairwise(strokes)
    ]
    spreads = (spread(pauses), spread([stroke.duration_ms for stroke, _ in long]))
    yield Measure("straight_legs", "strokes", CLUE, _share(straight), STRAIGHT, is_at_least=True)
    yield Measure("even_pace", "strokes", CLUE, _share(bent), EVEN, is_at_least=True)
    yield Measure("even_pauses", "strokes", CLUE, spreads[0], PAUSES, is_at_least=False)
    yield Measure("even_durations", "strokes", CLUE, spreads[1], DURATIONS, is_at_least=False)


def _of_keys(work: VisitRecord) -> Iterator[Measure]:
    told = [keys for one in work.judgements if (keys := one.input.get("keys"))]
    is_enough = sum(keys.get("count", 0) for keys in told) >= ENOUGH_KEYS
    held = float(np.median([keys.get("held_ms", 0) for keys in told])) if is_enough else None
    yield Measure("held_keys", "keys", CLUE, held, HELD_MS, is_at_least=False)


def _of_answers(work: VisitRecord) -> Measure:
    return Measure("pasted", "answers", NOTE, work.pasted, PASTED, is_at_least=True)


def _by_pointer(judgement: JudgedTrial) -> list[StrokePath]:
    """The strokes of a trial but those that arrow keys may have painted."""
    # Without a word on the input, as from earlier versions, nobody knows: the doubt is the participant's.
    may_be_keys = not judgement.input or "keys" in judgement.input
    return [stroke for stroke in judgement.strokes if not (may_be_keys and stroke.is_upright)]


def pace(stroke: StrokePath) -> float:
    """How far a stroke is from one pace throughout: 0 is even, people are at 0.05 to 0.3.

    The largest difference, over its points, between the shares of its length and of its time gone by.
    0 for a stroke without length or without duration.
    """
    shares = np.array(progress(stroke))
    return float(np.abs(shares[:, 0] - shares[:, 1]).max()) if len(shares) else 0.0


def spread(times: Sequence[float]) -> float | None:
    """Interquartile range as a fraction of the median; None of fewer than `ENOUGH`, 0 where the median is."""
    if len(times) < ENOUGH:
        return None
    low, median, high = np.percentile(times, [25, 50, 75])
    return float((high - low) / median) if median > 0 else 0.0


def progress(stroke: StrokePath) -> list[tuple[float, float]]:
    """The shares of a stroke's time and length gone by at each of its points, from (0, 0) to (1, 1).

    Nothing for a stroke without length or without duration.
    """
    gone, times = np.cumsum(stroke.steps), stroke.points[1:, 2] - stroke.points[0, 2]
    if not len(gone) or gone[-1] == 0 or times[-1] <= 0:
        return []
    return [(0.0, 0.0), *zip((times / times[-1]).tolist(), (gone / gone[-1]).tolist(), strict=True)]


def long_strokes(work: VisitRecord) -> list[StrokePath]:
    """The strokes whose shape says something, but those that arrow keys may have painted; in their order."""
    return [stroke for one in work.judgements for stroke in _by_pointer(one) if stroke.is_long(one.width)]


def _share(verdicts: Sequence[bool]) -> float | None:
    return sum(verdicts) / len(verdicts) if len(verdicts) >= ENOUGH else None
