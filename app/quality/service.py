"""Check participants' work against the rules, and store the quality flags.

A check replaces the flags of the rules. The flag of the honeypot, which only the enrolment can see, stays for
ever, and a flag that staff set stays until staff remove it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from sqlalchemy import Row, delete, func, insert, select
from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.models import (
    INPUT_FACTS,
    SET_ASIDE,
    Annotation,
    Decision,
    Image,
    Participant,
    ParticipantState,
    QualityFlag,
    Side,
    Stroke,
    Study,
    Trial,
    TrialKind,
)
from app.quality.evidence import Measure, long_strokes, measures, progress
from app.quality.rules import KINDS, flags
from app.quality.visit_record import JudgedTrial, StrokePath, VisitRecord

HONEYPOT: Final = "honeypot"

SHOWN_STROKES: Final = 40
"""In one picture; more would be a blot."""

SENTENCES: Final = {
    HONEYPOT: "Filled in a field that no person sees.",
    SET_ASIDE: "Set aside by staff.",
    "failed_check": "Answered a check trial wrongly.",
    "fast_decision": "Decided faster than anybody can compare two faces.",
    "impossible_times": "Reported times that contradict each other or the clock.",
    "identical_strokes": "Painted the same drawing on several trials.",
    "straight_strokes": "Drew nearly all strokes with a ruler.",
    "one_side": "Chose one side far more often than the faces can explain.",
    "automation": "Shows signs that a program worked the page.",
}


def check_participant(session: Session, participant_id: UUID) -> int:
    """Replace the flags of one participant by those of the rules; returns how many there are.

    A participant who withdrew or was deleted has none. The row of the participant is locked meanwhile, so
    that two checks at once do not double the flags.
    """
    participant = session.scalars(
        select(Participant).where(Participant.id == participant_id).with_for_update()
    ).one_or_none()
    session.execute(
        delete(QualityFlag).where(QualityFlag.participant_id == participant_id, QualityFlag.kind.in_(KINDS))
    )
    if participant is None or participant.state is ParticipantState.WITHDRAWN:
        return 0
    raised = [
        {"participant_id": participant_id, "kind": kind, "trial_id": trial_id, "detail": detail}
        for kind, trial_id, detail in flags(visit_record(session, participant))
    ]
    if raised:
        session.execute(insert(QualityFlag), raised)
    return len(raised)


def check_study(
    sessions: SessionFactory, study: Study, on_progress: Callable[[int, int], None] = lambda _done, _all: None
) -> None:
    """Check each participant of a study, in a transaction of its own."""
    with sessions() as session:
        everyone = select(Participant.id).where(Participant.study_id == study.id)
        ids = session.scalars(everyone.order_by(Participant.consented_at, Participant.id)).all()
    for done, participant_id in enumerate(ids, start=1):
        with sessions.begin() as session:
            check_participant(session, participant_id)
        on_progress(done, len(ids))


def visit_record(session: Session, participant: Participant) -> VisitRecord:
    """What the rules read of a participant's trials, without practice."""
    rows = session.execute(
        select(Trial, Decision, Image.width, Annotation.id.label("annotation_id"))
        .join(Decision, Decision.trial_id == Trial.id)
        .join(Image, Image.id == Decision.chosen_image_id)
        .outerjoin(Annotation, Annotation.decision_id == Decision.id)
        .where(Trial.participant_id == participant.id, Trial.kind != TrialKind.PRACTICE)
        .order_by(Trial.position)
    ).all()
    strokes = _strokes(session, [row.annotation_id for row in rows if row.annotation_id])
    return VisitRecord(
        judgements=tuple(_judgement(row, strokes.get(row.annotation_id, ())) for row in rows),
        began_at=participant.consented_at,
        last_at=max((row.Decision.decided_at for row in rows), default=participant.consented_at),
        is_program=participant.is_simulated,
        pasted=_pasted(participant),
    )


def _pasted(participant: Participant) -> int | None:
    counted = [count for count in (participant.pastes, participant.drops) if count is not None]
    return sum(counted) if counted else None


class VisitEvidence(NamedTuple):
    """The evidence of a visit, and how the first of its long strokes went."""

    measures: list[Measure]
    curves: list[list[tuple[float, float]]]
    """Of each stroke: the shares of its time and of its length gone by."""


def evidence_of(session: Session, participant: Participant) -> VisitEvidence:
    """What is measured of a visit, whether or not it is enough for a flag."""
    work = visit_record(session, participant)
    curves = [curve for stroke in long_strokes(work)[:SHOWN_STROKES] if (curve := progress(stroke))]
    return VisitEvidence(measures(work), curves)


def _strokes(session: Session, annotations: Sequence[int]) -> dict[int, tuple[StrokePath, ...]]:
    rows = session.execute(
        select(Stroke.annotation_id, Stroke.points)
        .where(Stroke.annotation_id.in_(annotations))
        .order_by(Stroke.annotation_id, Stroke.position)
    )
    strokes: dict[int, tuple[StrokePath, ...]] = {}
    for annotation_id, points in rows:
        strokes[annotation_id] = (
            *strokes.get(annotation_id, ()),
            StrokePath(np.asarray(points, dtype=np.float64)),
        )
    return strokes


def _judgement(row: Row[Trial, Decision, int, int], strokes: tuple[StrokePath, ...]) -> JudgedTrial:
    return JudgedTrial(
        trial_id=row.Trial.id,
        is_check=row.Trial.kind is TrialKind.CHECK,
        chose_left=row.Decision.choice is Side.LEFT,
        correct=row.Decision.correct,
        decision_ms=row.Decision.decision_ms,
        annotation_ms=row.Decision.annotation_ms,
        width=row.width,
        strokes=strokes,
        input=_input(row.Decision.events),
    )


def _input(events: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """What the input came to; an import from elsewhere may bring facts that are no numbers."""
    return {
        event["kind"]: {
            fact: event[fact]
            for fact in INPUT_FACTS[event["kind"]]
            if isinstance(event.get(fact), int | float)
        }
        for event in events
        if event.get("kind") in INPUT_FACTS
    }


def set_aside(session: Session, participant: Participant, *, reason: str) -> None:
    """Flag a participant whom staff want out of maps and analyses; a second time replaces the reason."""
    take_back(session, participant)
    session.add(
        QualityFlag(
            participant_id=participant.id, kind=SET_ASIDE, detail={"reason": reason} if reason else {}
        )
    )


def take_back(session: Session, participant: Participant) -> None:
    """Remove the flag of `set_aside`."""
    of_participant = QualityFlag.participant_id == participant.id
    session.execute(delete(QualityFlag).where(of_participant, QualityFlag.kind == SET_ASIDE))


def flags_by_kind(session: Session, study_id: int) -> list[dict[str, Any]]:
    """For each kind of flag the numbers of participants and of flags in a study; the most frequent first."""
    people = func.count(QualityFlag.participant_id.distinct())
    rows = session.execute(
        select(QualityFlag.kind, people.label("participants"), func.count().label("flags"))
        .join(Participant, Participant.id == QualityFlag.participant_id)
        .where(Participant.study_id == study_id)
        .group_by(QualityFlag.kind)
        .order_by(people.desc(), QualityFlag.kind)
    )
    return [dict(row._mapping) for row in rows]


class RaisedFlag(NamedTuple):
    """A quality flag, what it means, and the trial that it is about, if it is about one."""

    flag: QualityFlag
    sentence: str
    position: int | None


def flags_of(session: Session, participant: Participant) -> Iterator[RaisedFlag]:
    """A participant's flags by kind; those about the whole visit first."""
    rows = session.execute(
        select(QualityFlag, Trial.position)
        .outerjoin(Trial, Trial.id == QualityFlag.trial_id)
        .where(QualityFlag.participant_id == participant.id)
        .order_by(Trial.position.nulls_first(), QualityFlag.id)
    ).all()
    kinds = list(dict.fromkeys(flag.kind for flag, _ in rows))
    for flag, position in sorted(rows, key=lambda row: kinds.index(row.QualityFlag.kind)):
        yield RaisedFlag(flag, SENTENCES[flag.kind], position)
