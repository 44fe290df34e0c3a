"""Exclude participants by the rules that were written with a study, and take them back.

An excluded participant keeps what they did and what they are paid; it counts as nobody's judgement, and their
places go to others. Nothing is done before somebody has seen what it does.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from accuracy.statistics.proportions import Proportion
from app.errors import NotFound, WrongState
from app.models import (
    Arm,
    Decision,
    Participant,
    ParticipantState,
    QualityFlag,
    Side,
    Source,
    Study,
    Trial,
    TrialKind,
    is_counted,
)
from app.quality.exclusion_rules import Reason, VisitFacts, as_json, reasons
from app.recruitment.assignment import lock_study
from app.recruitment.service import mark_stale
from app.studies.parts import ExclusionsSpec
from app.studies.places import give_back_places, take_places_again

CHANGED: Final = "Somebody finished or was flagged meanwhile. Look at who would be excluded now."


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody whom the rules exclude, and why."""

    participant_id: UUID
    arm: str
    judgements: Proportion
    """Main decisions, and how many of them are correct."""
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class ArmEffect:
    """What an arm has, and what it would have without the candidates."""

    arm: str
    simulated: bool
    participants: int
    participants_after: int
    before: Proportion
    after: Proportion


@dataclass(frozen=True, slots=True)
class Effect:
    """What the rules would do now."""

    rules: ExclusionsSpec | None
    """None: the study has none."""
    candidates: list[Candidate]
    arms: list[ArmEffect]
    seen: str
    """A short name of rules and candidates: what is applied is what was looked at."""


@dataclass(frozen=True, slots=True)
class Excluded:
    """Somebody who is excluded, and why they were."""

    participant_id: UUID
    arm: str
    excluded_at: datetime
    sentences: list[str]


@dataclass(frozen=True, slots=True)
class _JudgedVisit:
    participant_id: UUID
    arm: str
    simulated: bool
    is_finished: bool
    facts: VisitFacts


def rules_of(study: Study) -> ExclusionsSpec | None:
    """The rules that were written with a study."""
    said = study.spec.get("exclusions")
    return ExclusionsSpec.model_validate(said) if said else None


def effect_of(session: Session, study: Study) -> Effect:
    """Whom the rules exclude among those who count and have finished, and what changes with it."""
    rules, rows = rules_of(study), _rows(session, study)
    candidates = {}
    for row in rows:
        found = reasons(row.facts, rules) if rules and row.is_finished else []
        if found:
            share = Proportion(row.facts.correct, row.facts.main)
            candidates[row.participant_id] = Candidate(row.participant_id, row.arm, share, found)
    return Effect(rules, [*candidates.values()], _arms(rows, set(candidates)), _name(rules, candidates))


def exclude(session: Session, study: Study, *, seen: str) -> int:
    """Exclude whom the rules exclude now; `WrongState` unless that is what was `seen`. Returns how many."""
    lock_study(session, study.id)
    effect = effect_of(session, study)
    if effect.rules is None:
        raise WrongState(f"Study {study.slug} has no rules of exclusion.")
    if effect.seen != seen:
        raise WrongState(CHANGED)
    by_id = {one.participant_id: one for one in effect.candidates}
    for participant in _people(session, study, Participant.id.in_(by_id)):
        give_back_places(session, participant)
        mark_stale(session, participant)
        participant.exclusion = as_json(by_id[participant.id].reasons, effect.rules)
        participant.excluded_at = datetime.now(UTC)
    session.flush()
    return len(by_id)


def count_again(session: Session, study: Study, ids: Iterable[UUID] | None = None) -> int:
    """Undo exclusions: of these participants, or all. Returns how many judgements are now one too many."""
    lock_study(session, study.id)
    chosen = None if ids is None else set(ids)
    excluded = Participant.excluded_at.is_not(None)
    people = _people(session, study, excluded if chosen is None else excluded & Participant.id.in_(chosen))
    if chosen is not None and len(people) < len(chosen):
        raise NotFound("One of these participants is not excluded in this study.")
    more = 0
    for participant in people:
        participant.excluded_at = participant.exclusion = None
        more += take_places_again(session, participant)
    session.flush()
    return more


def excluded_in(session: Session, study: Study) -> list[Excluded]:
    """Who is excluded, the newest first."""
    rows = session.execute(
        select(Participant, Arm.name)
        .join(Arm, Arm.id == Participant.arm_id)
        .where(Participant.study_id == study.id, Participant.excluded_at.is_not(None))
        .order_by(Participant.excluded_at.desc(), Participant.id)
    )
    return [_excluded(participant, arm) for participant, arm in rows]


def _excluded(participant: Participant, arm: str) -> Excluded:
    kept: dict[str, Any] = participant.exclusion or {}
    at = participant.excluded_at
    assert at is not None  # noqa: S101 - it was asked for
    return Excluded(participant.id, arm, at, [Reason(**one).sentence for one in kept["reasons"]])


def _people(session: Session, study: Study, which: ColumnElement[bool]) -> Sequence[Participant]:
    """Locked in one order, so that nobody waits in a circle."""
    query = select(Participant).where(Participant.study_id == study.id, which).order_by(Participant.id)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).all()


def _rows(session: Session, study: Study) -> list[_JudgedVisit]:
    """Everybody who counts, with what the rules read."""
    main, check = Trial.kind == TrialKind.MAIN, Trial.kind == TrialKind.CHECK

    def number(*which: Any) -> Any:
        return func.count(Decision.id).filter(*which)

    def median(column: Any) -> Any:
        return func.percentile_cont(0.5).within_group(column).filter(main)

    rows = session.execute(
        select(
            Participant.id,
            Participant.source,
            Participant.state,
            Arm.name.label("arm"),
            number(main).label("main"),
            number(main, Decision.correct).label("correct"),
            number(main, Decision.choice == Side.LEFT).label("left"),
            number(check, ~Decision.correct).label("failed_checks"),
            median(Decision.decision_ms).label("decision_ms"),
            median(Decision.annotation_ms).label("annotation_ms"),
        )
        .join(Arm, Arm.id == Participant.arm_id)
        .join(Trial, Trial.participant_id == Participant.id)
        .join(Decision, Decision.trial_id == Trial.id)
        .where(Participant.study_id == study.id, is_counted())
        .group_by(Participant.id, Arm.name)
        .order_by(Participant.consented_at, Participant.id)
    ).all()
    flags = _flags(session, study)
    names = ("main", "correct", "left", "failed_checks", "decision_ms", "annotation_ms")
    return [
        _JudgedVisit(
            row.id,
            row.arm,
            row.source is Source.SIMULATED,
            row.state is ParticipantState.FINISHED,
            VisitFacts(**{name: row._mapping[name] for name in names}, flags=frozenset(flags[row.id])),
        )
        for row in rows
    ]


def _flags(session: Session, study: Study) -> dict[UUID, set[str]]:
    """Kinds of quality flags by participant."""
    found: dict[UUID, set[str]] = defaultdict(set)
    for participant, kind in session.execute(
        select(QualityFlag.participant_id, QualityFlag.kind)
        .join(Participant, Participant.id == QualityFlag.participant_id)
        .where(Participant.study_id == study.id)
        .distinct()
    ):
        found[participant].add(kind)
    return found


def _arms(rows: Iterable[_JudgedVisit], without: set[UUID]) -> list[ArmEffect]:
    """By arm, people and programs apart; those without a judgement are nobody."""
    groups: dict[tuple[str, bool], list[_JudgedVisit]] = defaultdict(list)
    for row in rows:
        if row.facts.main:
            groups[row.arm, row.simulated].append(row)
    found = []
    for (arm, simulated), before in sorted(groups.items()):
        after = [row for row in before if row.participant_id not in without]
        found.append(ArmEffect(arm, simulated, len(before), len(after), _share(before), _share(after)))
    return found


def _share(rows: Iterable[_JudgedVisit]) -> Proportion:
    facts = [row.facts for row in rows]
    return Proportion(sum(one.correct for one in facts), sum(one.main for one in facts))


def _name(rules: ExclusionsSpec | None, candidates: dict[UUID, Candidate]) -> str:
    said = rules.model_dump(mode="json") if rules else None
    text = json.dumps([said, sorted(map(str, candidates))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
