"""What went otherwise than the plan of a study says."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import SET_ASIDE, Arm, Participant, ParticipantState, QualityFlag, Study, StudyState
from app.studies.pilots import pilots_of
from app.studies.progress import StudyProgress, progress
from app.studies.versions import first_version, versions_of


@dataclass(frozen=True, slots=True)
class Deviation:
    """Something that went otherwise than planned. `kind` groups it, `said` is a sentence."""

    kind: str
    said: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan, what became of it, and every deviation."""

    plan: Mapping[str, Any] | None
    hash: str | None
    frozen_at: datetime | None
    opened_at: datetime | None
    closed_at: datetime | None
    finished: int
    """Participants who finished."""
    judgements: int
    wanted: int
    """Judgements of all pairs, questions and arms, as the plan has them or, without a number, the study."""
    deviations: tuple[Deviation, ...]


def plan_report(session: Session, study: Study) -> PlanReport:
    """Of a study in any state; a draft shows the plan that would be frozen, and has no deviations."""
    first = first_version(session, study)
    plan = (first.spec if first else study.spec).get("plan")
    found = progress(session, study)
    wanted = planned_judgements(study, found, plan)
    return PlanReport(
        plan=plan,
        hash=study.plan_hash,
        frozen_at=first.made_at if first and study.plan_hash else None,
        opened_at=study.opened_at,
        closed_at=study.closed_at,
        finished=found.participants[ParticipantState.FINISHED],
        judgements=found.decided,
        wanted=wanted,
        deviations=tuple(deviations(session, study, plan or {}, found, wanted)),
    )


def planned_judgements(study: Study, found: StudyProgress, plan: Mapping[str, Any] | None) -> int:
    """The plan's judgements of each pair, question and arm, over all of those."""
    each = (plan or {}).get("judgements")
    return found.wanted if each is None else found.wanted // study.judgements * each


def deviations(
    session: Session, study: Study, plan: Mapping[str, Any], found: StudyProgress, wanted: int
) -> Iterator[Deviation]:
    if study.state is StudyState.DRAFT:
        return
    if not plan:
        yield Deviation("plan", "The study was opened without a plan.", study.opened_at)
    yield from _changes(session, study)
    yield from _numbers(study, plan, found, wanted)
    yield from _set_aside(session, study, plan)
    for pilot in pilots_of(session, [study.slug]).get(study.slug, ()):
        people = progress(session, pilot).everybody
        yield Deviation("pilot", f"The pilot {pilot.slug} had {people} participants.", pilot.opened_at)


def _changes(session: Session, study: Study) -> Iterator[Deviation]:
    for version in reversed(versions_of(session, study)[:-1]):
        keys = ", ".join(changed.key for changed in version.differences)
        by = version.made_by or "a command"
        said = f"Version {version.number} by {by} changed {keys}: {version.reason}"
        yield Deviation("version", said, version.made_at)
    first = first_version(session, study)
    if first is None:
        return
    planned = {arm["name"] for arm in first.spec.get("arms", ())}
    for name in session.scalars(select(Arm.name).where(Arm.study_id == study.id).order_by(Arm.id)):
        if planned and name not in planned:
            yield Deviation("arm", f"The arm {name} was added after the opening.")


def _numbers(study: Study, plan: Mapping[str, Any], found: StudyProgress, wanted: int) -> Iterator[Deviation]:
    """Numbers that are missed count once the study is closed; those that are passed, at once."""
    finished, planned = found.participants[ParticipantState.FINISHED], plan.get("participants")
    is_over = study.state is StudyState.CLOSED
    if planned is not None and (finished > planned or (is_over and finished < planned)):
        said = f"{finished} participants finished; {planned} were planned."
        yield Deviation("participants", said, study.closed_at)
    if found.decided > wanted or (is_over and found.decided < wanted):
        said = f"{found.decided} judgements were made; {wanted} were planned."
        yield Deviation("judgements", said, study.closed_at)


def _set_aside(session: Session, study: Study, plan: Mapping[str, Any]) -> Iterator[Deviation]:
    """Participants whom staff set aside for a reason that is no rule of the plan, word for word."""
    rules = {" ".join(rule.split()).casefold() for rule in plan.get("exclusions", ())}
    flags = (
        select(Participant, QualityFlag)
        .join(QualityFlag, QualityFlag.participant_id == Participant.id)
        .where(Participant.study_id == study.id, QualityFlag.kind == SET_ASIDE)
        .order_by(QualityFlag.id)
    )
    for person, flag in session.execute(flags):
        reason = str(flag.detail.get("reason") or "no reason given")
        if " ".join(reason.split()).casefold() not in rules:
            said = f"Participant {person.reference} was set aside, which no rule of the plan names: {reason}"
            yield Deviation("set_aside", said, flag.raised_at)
