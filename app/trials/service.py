"""Handing out trials and recording decisions."""

import hashlib
import json
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from app.deps import Visit
from app.errors import (
    AlreadyDecided,
    AnnotationMissing,
    AnnotationNotAsked,
    BadStrokes,
    NotAParticipant,
    NotFound,
    PlaceGivenAway,
    QuotaFull,
    StudyNotOpen,
    Unavailable,
)
from app.models import (
    Annotation,
    Decision,
    Image,
    Participant,
    ParticipantState,
    Stroke,
    Study,
    StudyState,
    Trial,
    TrialState,
)
from app.recruitment.assignment import assign_trials, lock_study, release_lapsed, retake_trials
from app.recruitment.service import count_trials
from app.trials.schemas import DecisionBody
from saliency.strokes import StrokeError, parse_strokes

PRELOAD_PAIRS: Final = 2

CODE_LETTERS: Final = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none that can be mistaken for another


def next_trials(session: Session, visit: Visit) -> Sequence[Trial]:
    """The trial to decide now and the next few after it; empty when everything is decided.

    Asking twice gives the same trials. Whoever comes back after their places were given away gets
    those that are still free, and others for the rest.
    """
    participant = visit.participant
    _refuse_if_closed(visit)
    trials = _undecided(session, participant)
    if not trials and participant.state is ParticipantState.ACTIVE:
        trials = _recover_or_finish(session, participant)
    if trials and trials[0].shown_at is None:
        trials[0].shown_at = datetime.now(UTC)
        session.flush()  # locks are taken in one order: study, trial, quota, participant
    renew_lease(visit)
    return trials


def _refuse_if_closed(visit: Visit) -> None:
    if visit.study.state is StudyState.CLOSED and visit.participant.state is ParticipantState.ACTIVE:
        raise StudyNotOpen("This study has been closed. Thank you for the time that you gave it.")


def renew_lease(visit: Visit) -> None:
    """Count the lease from now on; a twentieth of it may pass without a write."""
    until = datetime.now(UTC) + visit.study.lease
    if until - visit.participant.lease_expires_at > visit.study.lease / 20:
        visit.participant.lease_expires_at = until


def _undecided(session: Session, participant: Participant) -> Sequence[Trial]:
    return session.scalars(
        select(Trial)
        .where(Trial.participant_id == participant.id, Trial.state == TrialState.ASSIGNED)
        .order_by(Trial.position)
        .limit(1 + PRELOAD_PAIRS)
    ).all()


def _released(session: Session, participant: Participant) -> Sequence[Trial]:
    return session.scalars(
        select(Trial)
        .where(Trial.participant_id == participant.id, Trial.state == TrialState.RELEASED)
        .order_by(Trial.position)
        .execution_options(populate_existing=True)
    ).all()


def _lost_places(session: Session, participant: Participant) -> bool:
    return bool(_released(session, participant))


def _recover_or_finish(session: Session, participant: Participant) -> Sequence[Trial]:
    """The trials of somebody who had none a moment ago; without any, that was all.

    Under the study's lock, because another page of theirs may recover or withdraw at the same time.
    """
    study = lock_study(session, participant.study_id)
    session.refresh(participant)
    if participant.state is ParticipantState.WITHDRAWN:
        raise NotAParticipant
    if not _undecided(session, participant) and _lost_places(session, participant):
        _recover_places(session, participant, study)
    trials = _undecided(session, participant)
    if not trials:
        if not count_trials(session, participant):
            raise QuotaFull("While you were away, other participants took every place that was left.")
        finish(participant)
    return trials


def _recover_places(session: Session, participant: Participant, study: Study) -> None:
    release_lapsed(session, study.id)
    # Late decisions may have taken places again, so that there are more than the study asks for.
    missing = max(0, study.trials_per_participant - count_trials(session, participant))
    kept = retake_trials(session, participant, trials=_released(session, participant)[:missing])
    session.flush()  # the count of assigned trials must see them
    assign_trials(session, participant, wanted=missing - len(kept))
    session.flush()


def finish(participant: Participant) -> None:
    """Everything is decided: the participant gets their completion code, once."""
    if participant.state is not ParticipantState.ACTIVE:
        return
    participant.state = ParticipantState.FINISHED
    participant.finished_at = datetime.now(UTC)
    participant.completion_code = new_completion_code()


def new_completion_code() -> str:
    """Forty-nine random bits that survive being read aloud."""
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(10))
    return f"{letters[:5]}-{letters[5:]}"


def position_and_total(session: Session, trial: Trial) -> tuple[int, int]:
    """Where a participant stands: one more than they have decided, and of how many."""
    decided, total = session.execute(
        select(
            func.count().filter(Trial.state == TrialState.DECIDED),
            func.count().filter(Trial.state != TrialState.RELEASED),
        ).where(Trial.participant_id == trial.participant_id)
    ).one()
    return decided + 1, total


def record_decision(session: Session, visit: Visit, trial_id: UUID, body: DecisionBody) -> None:
    """Write a decision and its strokes, once.

    The same body again changes nothing; another body is refused. A decision that comes after the
    place was given away takes the place again if it is free, and is refused otherwise, so that no
    study collects more than it wants.
    """
    participant = visit.participant
    trial = _trial_to_decide(session, participant, trial_id)
    fingerprint = body_hash(body)
    if trial.state is TrialState.DECIDED:
        _must_be_the_same(session, trial, fingerprint)
        return
    chosen = session.get_one(Image, trial.image_on(body.choice))
    strokes = _checked_strokes(body, visit, image=chosen)
    decision = Decision(
        trial_id=trial.id,
        choice=body.choice,
        chosen_image_id=chosen.id,
        correct=chosen.label.value == trial.question.value,
        decision_ms=body.decision_ms,
        annotation_ms=body.annotation_ms,
        events=body.events,
        body_hash=fingerprint,
    )
    trial.state = TrialState.DECIDED
    session.add(decision)
    if strokes:
        _record_annotation(session, decision, strokes)
    renew_lease(visit)
    session.flush()  # the check below must see this decision
    if not _undecided(session, participant) and not _lost_places(session, participant):
        finish(participant)


def _trial_to_decide(session: Session, participant: Participant, trial_id: UUID) -> Trial:
    """The participant's own trial, locked, with its place held."""
    query = select(Trial).where(Trial.id == trial_id, Trial.participant_id == participant.id)
    was_released = (session.scalars(query).first() or _missing()).state is TrialState.RELEASED
    if was_released:
        lock_study(session, participant.study_id)
    locked = query.with_for_update().execution_options(populate_existing=True)
    trial = session.scalars(locked).first() or _missing()  # withdrawn meanwhile, it is gone
    if trial.state is TrialState.RELEASED:
        if not was_released:  # it lapsed this very moment; the study's lock must come before the trial's
            raise Unavailable
        if not retake_trials(session, participant, trials=[trial]):
            raise PlaceGivenAway
    return trial


def _missing() -> NoReturn:
    raise NotFound("You have no such trial.")


def _must_be_the_same(session: Session, trial: Trial, fingerprint: str) -> None:
    recorded = session.scalar(select(Decision.body_hash).where(Decision.trial_id == trial.id))
    if recorded != fingerprint:
        raise AlreadyDecided


def body_hash(body: DecisionBody) -> str:
    """SHA-256 of a decision's content, whatever the order of its keys."""
    content = json.dumps(body.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _checked_strokes(body: DecisionBody, visit: Visit, *, image: Image) -> list[dict[str, object]]:
    strokes: list[dict[str, object]] = [dict(stroke) for stroke in body.strokes or ()]
    if strokes and not visit.arm.annotate:
        raise AnnotationNotAsked
    if visit.arm.annotate and len(strokes) < visit.study.min_strokes:
        raise AnnotationMissing
    try:
        parse_strokes(strokes, width=image.width, height=image.height)
    except StrokeError as error:
        raise BadStrokes(str(error)) from error
    return strokes


def _record_annotation(session: Session, decision: Decision, strokes: list[dict[str, object]]) -> None:
    session.flush()  # the annotation refers to the decision's id
    annotation = Annotation(decision_id=decision.id, image_id=decision.chosen_image_id)
    session.add(annotation)
    session.flush()
    session.execute(
        insert(Stroke),
        [
            {"annotation_id": annotation.id, "position": position, **stroke}
            for position, stroke in enumerate(strokes)
        ],
    )
