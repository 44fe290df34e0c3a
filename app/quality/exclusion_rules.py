"""Whom the rules of a study exclude: pure functions of what a participant did and of the rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from app.studies.parts import ExclusionsSpec


@dataclass(frozen=True, slots=True)
class VisitFacts:
    """What the rules read of one participant.

    Times are medians of main trials in ms; None where there is none.
    """

    main: int
    """Main trials decided."""
    correct: int
    """Of those."""
    left: int
    """Of those, how often the left face was chosen."""
    failed_checks: int
    decision_ms: float | None
    annotation_ms: float | None
    flags: frozenset[str]


class Reason(NamedTuple):
    """A rule that a participant meets, what was found, and the limit that the rule sets."""

    rule: str
    found: float | str
    limit: float | str

    @property
    def sentence(self) -> str:
        return SENTENCES[self.rule].format(found=self.found, limit=self.limit)


SENTENCES: Final = {
    "failed_checks": "Failed {found} checks; {limit} exclude.",
    "median_decision_ms": "Took {found:.0f} ms to decide in the median; below {limit:.0f} ms excludes.",
    "median_annotation_ms": "Took {found:.0f} ms to paint in the median; below {limit:.0f} ms excludes.",
    "one_side": "Chose one side in {found:.0%} of the pairs; {limit:.0%} exclude.",
    "correct_below": "Was right in {found:.0%} of the pairs; below {limit:.0%} excludes.",
    "flags": "Has the quality flag {found}.",
}


def reasons(facts: VisitFacts, rules: ExclusionsSpec) -> list[Reason]:
    """Every rule that excludes a participant, in the order of the rules; none where nothing was found."""
    return [
        *_numbers(facts, rules),
        *(Reason("flags", kind, kind) for kind in rules.flags if kind in facts.flags),
    ]


def _numbers(facts: VisitFacts, rules: ExclusionsSpec) -> Iterator[Reason]:
    side = max(facts.left, facts.main - facts.left) / facts.main if facts.main else None
    right = facts.correct / facts.main if facts.main else None
    found: dict[str, tuple[float | None, bool]] = {
        "failed_checks": (facts.failed_checks, True),
        "median_decision_ms": (facts.decision_ms, False),
        "median_annotation_ms": (facts.annotation_ms, False),
        "one_side": (side, True),
        "correct_below": (right, False),
    }
    for rule, (value, is_too_many) in found.items():
        limit: float | None = getattr(rules, rule)
        if limit is None or value is None:
            continue
        if value >= limit if is_too_many else value < limit:
            yield Reason(rule, value, limit)


def as_json(reasons_: list[Reason], rules: ExclusionsSpec) -> dict[str, Any]:
    """What is stored with an exclusion."""
    said = {name: value for name, value in rules.model_dump(mode="json").items() if value not in (None, [])}
    return {"rules": said, "reasons": [one._asdict() for one in reasons_]}
