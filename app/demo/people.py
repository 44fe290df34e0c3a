"""The participants of a simulation, and how they judge. No pixel is read.

A person is right with probability sigmoid(skill − difficulty of the pair), a little more where the arm
asks them to paint. The numbers were chosen so that the mean accuracy is about 0.69 and people differ,
as in studies of such pairs; they are assumptions, and every result of a simulation follows from them.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from app.demo.answers import KnownAnswer, KnownFace
from app.demo.artefacts import RADIUS
from app.demo.regions import Region, anywhere, look_at
from app.demo.rule import paint_by
from app.demo.strokes import PaintingHand, any_hand
from app.models import Question, Side
from app.trials.schemas import AnnotationRule

SKILL: Final = (0.83, 0.6)
"""Mean and standard deviation over people, in logits."""
CARE_OF_PAINTERS: Final = 0.25
"""Logits gained by having to say why."""
DECISION_MS: Final = 4200.0
"""Median over easy and hard pairs."""
DECISION_SPREAD: Final = 0.45
"""Within a person, standard deviation of the logarithm."""
SLOWER_WHEN_HARD: Final = 0.3
"""Gain of the logarithm of the time per logit of difficulty."""
THINK_MS: Final = 1100.0
"""Median time from the choice to the first stroke."""
DROPOUT_SHARE: Final = 0.05
DISTRACTED_SHARE: Final = 0.03
"""Of trials during which the tab is hidden for a moment."""
ATTENTIVE_SHARE: Final = 0.95
"""How often a person paints the region that a check asks for."""
FINDS_THE_ARTEFACT: Final = 0.85
"""How often a person who rightly calls a face with an artefact fake paints the artefact."""
ONE_MORE: Final = 0.4
"""How often somebody paints a second place."""
ONE_MORE_IF_DRAWN: Final = 0.15
"""The same in a drawn world, as in docs/benchmark.md."""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Person:
    number: int
    skill: float
    pace: float
    """Factor on every decision time; 1 is usual."""
    hand: PaintingHand
    quits_after: float | None
    """Fraction of the trials after which this person drops out; None for one who finishes."""
    seed: tuple[int, int]
    attention: float = ATTENTIVE_SHARE
    """How often this person paints what a check asks for."""

    def random_numbers(self) -> np.random.Generator:
        """The random numbers of this person's decisions, from the first trial on."""
        return np.random.default_rng([*self.seed, 2])


def invent_person(seed: int, number: int) -> Person:
    rng = np.random.default_rng([seed, number, 1])
    return Person(
        number=number,
        skill=float(rng.normal(*SKILL)),
        pace=float(np.exp(rng.normal(0, 0.3))),
        hand=any_hand(rng),
        quits_after=float(rng.uniform(0.1, 0.9)) if rng.random() < DROPOUT_SHARE else None,
        seed=(seed, number),
    )


def judge(
    person: Person,
    rng: np.random.Generator,
    truth: KnownAnswer,
    *,
    question: Question,
    rule: AnnotationRule | None,
) -> Body:
    """A decision in the form in which a browser sends it.

    rule : what the arm wants painted; None in an arm that does not ask for it
    """
    right = truth.right_choice(question)
    choice = right if rng.random() < chance(person, truth, annotate=rule is not None) else other(right)
    decision_ms = _decision_ms(person, rng, truth, is_right=choice is right)
    body: Body = {"choice": choice, "decision_ms": decision_ms, "events": _events(rng, decision_ms)}
    if rule is not None:
        start = decision_ms + float(THINK_MS * person.pace * np.exp(rng.normal(0, 0.4)))
        face = truth.faces[choice]
        places = _places(rng, face, said=question)
        strokes = paint_by(rule, rng, person.hand, places, size=face.size, start_ms=start)
        end = strokes[-1]["points"][-1][2] + rng.uniform(300, 1800)
        body |= {"strokes": strokes, "annotation_ms": round(end - decision_ms)}
    return body


def paint_region(person: Person, rng: np.random.Generator, truth: KnownAnswer) -> Body:
    """An answer to a region check: the region's outline, or a corner of the picture by the inattentive."""
    width, height = truth.faces[Side.LEFT].size
    corner = [[0.0, 0.0], [0.1 * width, 0.0], [0.1 * width, 0.1 * height]]
    outline = truth.region if truth.region and rng.random() < person.attention else corner
    start = float(THINK_MS * person.pace)
    points = [[x, y, round(start + 40.0 * n)] for n, (x, y) in enumerate([*outline, outline[0]])]
    stroke = {"tool": "lasso", "radius": 0, "points": points}
    return {
        "choice": Side.LEFT,
        "decision_ms": 0,
        "annotation_ms": points[-1][2],
        "events": [],
        "strokes": [stroke],
    }


def chance(person: Person, truth: KnownAnswer, *, annotate: bool) -> float:
    """Probability of the right choice."""
    logit = person.skill - truth.difficulty + (CARE_OF_PAINTERS if annotate else 0)
    return float(1 / (1 + np.exp(-logit)))


def other(side: Side) -> Side:
    return Side.LEFT if side is Side.RIGHT else Side.RIGHT


def _decision_ms(person: Person, rng: np.random.Generator, truth: KnownAnswer, *, is_right: bool) -> int:
    log_ms = np.log(DECISION_MS * person.pace) + SLOWER_WHEN_HARD * truth.difficulty
    log_ms += rng.normal(0, DECISION_SPREAD) + (0 if is_right else 0.12)
    return int(np.clip(np.exp(log_ms), 350, 120_000))


def _events(rng: np.random.Generator, decision_ms: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = [{"kind": "loaded", "t_ms": 0, "load_ms": int(rng.uniform(20, 400))}]
    if rng.random() < DISTRACTED_SHARE:
        left = int(rng.uniform(0.1, 0.5) * decision_ms)
        events += [{"kind": "hidden", "t_ms": left}, {"kind": "visible", "t_ms": int(left + decision_ms / 4)}]
    return events


def _places(rng: np.random.Generator, face: KnownFace, *, said: Question) -> list[Region]:
    """One or two places: the artefact, where there is one and it was found, and others.

    Others are parts of a face. In a drawn world they are any places of the size of an artefact: were they
    always on the face, every map would keep a detector away from marks beside it, whoever painted it.
    """
    count = 1 + int(rng.random() < (ONE_MORE_IF_DRAWN if face.drawn else ONE_MORE))
    if face.drawn:
        usual = anywhere(rng, size=face.size, side=2 * RADIUS * face.size[0], count=count)
    else:
        usual = look_at(rng, said=said.value, face=face.box, size=face.size, count=count)
    if face.artefact and said is Question.FAKE and rng.random() < FINDS_THE_ARTEFACT:
        return [face.artefact, *usual[1:]]
    return usual
