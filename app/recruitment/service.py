"""Consent makes a participant; nothing else does."""

from datetime import UTC, datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.errors import AlreadyTookPart, BadInput, ConsentMissing, NotFound, StudyNotOpen
from app.models import (
    Annotation,
    Arm,
    Dataset,
    Decision,
    MapSet,
    Participant,
    ParticipantState,
    ParticipantToken,
    QualityFlag,
    Source,
    Study,
    StudyState,
    Trial,
    TrialState,
    WorkerIdentity,
)
from app.recruitment.assignment import (
    assign_trials,
    choose_arm,
    lock_study,
    release_lapsed,
    release_trials,
)
from app.recruitment.schemas import Enrolment
from app.security import new_token, token_hash


def find_study(session: Session, slug: str) -> Study:
    study = session.scalar(select(Study).where(Study.slug == slug))
    if study is None:
        raise NotFound(f"There is no study called {slug!r}.")
    return study


def enrol(session: Session, slug: str, enrolment: Enrolment) -> tuple[Participant, bool]:
    """The participant who gave this consent, and whether they are new.

    The same person again gets the same participant: an external id has one participation in a study,
    however many requests arrive at once.
    """
    study = lock_study(session, find_study(session, slug).id)
    if returning := _returning(session, study, enrolment):
        return returning, False
    if study.state is not StudyState.OPEN:
        raise StudyNotOpen
    if enrolment.consent_version != study.consent_version:
        raise ConsentMissing
    if enrolment.source is Source.SIMULATED and not study.accepts_simulated:
        raise BadInput("This study does not accept simulated participants.")
    return _admit(session, study, enrolment), True


def _returning(session: Session, study: Study, enrolment: Enrolment) -> Participant | None:
    participant = session.scalar(
        select(Participant)
        .join(WorkerIdentity, WorkerIdentity.participant_id == Participant.id)
        .where(
            WorkerIdentity.study_id == study.id,
            WorkerIdentity.source == enrolment.source,
            WorkerIdentity.external_id == enrolment.external_id,
        )
    )
    if participant is None:
        return None
    if participant.state is ParticipantState.WITHDRAWN:
        raise AlreadyTookPart("You have withdrawn from this study.")
    if study.state in (StudyState.DRAFT, StudyState.CLOSED):
        raise StudyNotOpen
    return participant


def _admit(session: Session, study: Study, enrolment: Enrolment) -> Participant:
    release_lapsed(session, study.id)
    participant = Participant(
        study_id=study.id,
        arm_id=choose_arm(session, study).id,
        source=enrolment.source,
        consent_version=enrolment.consent_version,
        lease_expires_at=datetime.now(UTC) + study.lease,
        client=enrolment.client,
    )
    session.add(participant)
    session.flush()  # its trials refer to it
    if enrolment.external_id is not None:
        session.add(
            WorkerIdentity(
                participant_id=participant.id,
                study_id=study.id,
                source=enrolment.source,
                external_id=enrolment.external_id,
                assignment_id=enrolment.assignment_id,
            )
        )
    assign_trials(session, participant, wanted=study.trials_per_participant)
    return participant


def issue_token(session: Session, participant: Participant) -> str:
    """A new token for one more browser of this participant."""
    token = new_token()
    session.add(ParticipantToken(token_hash=token_hash(token), participant_id=participant.id))
    return token


def count_trials(session: Session, participant: Participant) -> int:
    """How many trials a participant has or had, not counting those given back."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Trial)
            .where(Trial.participant_id == participant.id, Trial.state != TrialState.RELEASED)
        )
        or 0
    )


def arm_of(session: Session, participant: Participant) -> Arm:
    return session.get_one(Arm, participant.arm_id)


def withdraw(session: Session, participant: Participant) -> None:
    """Remove what a participant did, give their places back, and mark what was derived from it stale."""
    lock_study(session, participant.study_id)
    release_trials(session, participant)
    _mark_stale(session, participant)
    theirs = select(Trial.id).where(Trial.participant_id == participant.id)
    session.execute(delete(Decision).where(Decision.trial_id.in_(theirs)))
    session.execute(delete(QualityFlag).where(QualityFlag.participant_id == participant.id))
    session.execute(delete(Trial).where(Trial.participant_id == participant.id))
    participant.state = ParticipantState.WITHDRAWN
    participant.client = {}


def _mark_stale(session: Session, participant: Participant) -> None:
    """Whoever leaves before they painted anything is in no map: a passer-by makes nothing stale."""
    painted = (
        select(Annotation.id)
        .join(Decision, Decision.id == Annotation.decision_id)
        .join(Trial, Trial.id == Decision.trial_id)
        .where(Trial.participant_id == participant.id)
    )
    if session.scalar(select(painted.exists())):
        for derived in (MapSet, Dataset):
            session.execute(
                update(derived).where(derived.study_id == participant.study_id).values(stale=True)
            )
