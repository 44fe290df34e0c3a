"""What a description adds up to: trials of a participant, judgements, participants, minutes. Pure."""

from dataclasses import dataclass
from typing import Final

from accuracy.statistics.planning_defaults import MEAN, PAIR_SD, PARTICIPANT_SD
from app.studies.parts import ArmSpec
from app.studies.schemas import StudySpec

QUESTIONS: Final = 2
"""Of each pair: which face is real, and which is fake."""

WORDS_PER_MINUTE: Final = 238
"""Silent reading of English non-fiction by adults: Brysbaert (2019), J. Memory and Language 109, 104047."""

DECIDE_S: Final = 10
"""Assumed, for one pair; the page of a study shows the measured median."""

PAINT_S: Final = 20
"""Assumed, for one annotation."""

ANSWER_S: Final = 15
"""Assumed, for one question of the quiz or after the last trial."""


@dataclass(frozen=True, slots=True)
class Assumptions:
    """Of what two arms are compared by: the share correct, and its standard deviations."""

    mean: float = MEAN
    participant_sd: float = PARTICIPANT_SD
    pair_sd: float = PAIR_SD


@dataclass(frozen=True, slots=True)
class ArmTotals:
    """Of one arm. A participant meets practice and checks beside the trials that count."""

    name: str
    trials: int
    participants: int
    """At least so many are needed for every judgement."""
    minutes: float


@dataclass(frozen=True, slots=True)
class Totals:
    pairs: int
    judgements: int
    arms: tuple[ArmTotals, ...]
    smallest_difference: float | None
    """Between two arms, in shares correct, that is found in four of five such studies; None of one arm."""

    @property
    def participants(self) -> int:
        return sum(arm.participants for arm in self.arms)

    @property
    def hours(self) -> float:
        """Of all participants together."""
        return sum(arm.participants * arm.minutes for arm in self.arms) / 60


def totals(spec: StudySpec, *, pairs: int, assumed: Assumptions | None = None) -> Totals:
    """`pairs`: main pairs that the study shows, at least as many as a participant judges."""
    of_an_arm = pairs * QUESTIONS * spec.judgements
    needed = -(-of_an_arm // spec.trials_per_participant)
    arms = tuple(ArmTotals(arm.name, _trials(spec, arm), needed, _minutes(spec, arm)) for arm in spec.arms)
    comparable = len(arms) > 1
    sizes = (needed, spec.trials_per_participant, pairs)
    difference = _smallest_difference(*sizes, assumed or Assumptions()) if comparable else None
    return Totals(pairs, of_an_arm * len(arms), arms, difference)


def _smallest_difference(participants: int, decisions: int, pairs: int, assumed: Assumptions) -> float | None:
    """None where the numbers make no comparison."""
    from accuracy.statistics.planning import PlannedComparison  # with SciPy, which no other page needs

    try:
        shares = (assumed.mean, assumed.participant_sd, assumed.pair_sd)
        return PlannedComparison(participants, decisions, pairs, *shares).smallest_difference()
    except ValueError:
        return None


def _practised(spec: StudySpec) -> int:
    return (spec.practice.count or len(spec.practice.listed or ())) if spec.practice else 0


def _regions(spec: StudySpec, arm: ArmSpec) -> int:
    return len(spec.checks.regions) if spec.checks and arm.annotate else 0


def _pairs_judged(spec: StudySpec) -> int:
    """Of one participant: practice, obvious pairs and those that count."""
    return _practised(spec) + (len(spec.checks.pairs) if spec.checks else 0) + spec.trials_per_participant


def _trials(spec: StudySpec, arm: ArmSpec) -> int:
    return _pairs_judged(spec) + _regions(spec, arm)


def _minutes(spec: StudySpec, arm: ArmSpec) -> float:
    """Reading, answering, deciding and painting; breaks are as long as people like, and left out."""
    words = len(f"{spec.consent} {spec.instructions} {spec.debrief or ''}".split())
    asked = (len(spec.quiz.questions) if spec.quiz else 0) + len(spec.questions)
    judged = _pairs_judged(spec)
    painted = (judged if arm.annotate else 0) + _regions(spec, arm)
    return words / WORDS_PER_MINUTE + (asked * ANSWER_S + judged * DECIDE_S + painted * PAINT_S) / 60
