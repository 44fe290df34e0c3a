"""The next step of a visit, and the trials that it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, func, select, true, update
from sqlalchemy.orm import Session, aliased

from app.deps import Visit
from app.errors import NotAParticipant
from app.jobs import CHECK_QUALITY, enqueue
from app.models import (
    Image,
    Pair,
    Participant,
    ParticipantState,
    RegionCheck,
    Study,
    Trial,
    TrialKind,
    TrialState,
)
from app.recruitment.assignment import assign_trials, count_traps, lock_study, retake_trials
from app.recruitment.service import count_main, new_completion_code
from app.studies.places import release_lapsed
from app.studies.plan import VisitPlan, plan_of
from app.trials.steps import Step, next_step

AnyRow = Row[*tuple[Any, ...]]

PRELOAD_PAIRS: Final = 2

Left, Right = aliased(Image), aliased(Image)


@dataclass(frozen=True, slots=True)
class VisitPosition:
    """The step that a visit is at; `trials` are the one to decide now and the next few after it."""

    step: Step
    trials: Sequence[AnyRow] = ()


def proceed(session: Session, visit: Visit, plan: VisitPlan) -> VisitPosition:
    """The next step of a visit. Asking twice gives the same.

    A participant whose places were given away meanwhile gets back those that are still free, and other places
    for the rest. When none are left and nothing was decided, the visit ends without being finished.
    """
    step = next_step(visit, plan, undecided=True)
    if step is not Step.TRIALS:
        renew_lease(visit)
        return VisitPosition(step)
    trials = upcoming(session, visit.participant) or _recover(session, visit)
    if not trials and not count_main(session, visit.participant):
        return VisitPosition(Step.END)
    step = next_step(visit, plan, undecided=bool(trials))
    if step is Step.END:
        finish(session, visit.participant)
    elif trials and trials[0].shown_at is None:
        # Locks are taken in one order: study, trial, quota, participant.
        session.execute(MARK_SHOWN, {"trial": trials[0].id})
    renew_lease(visit)
    return VisitPosition(step, trials)


def renew_lease(visit: Visit) -> None:
    """Let the lease run from now on."""
    until = datetime.now(UTC) + visit.content.lease
    # A write for each request would be too many; a lease that is a twentieth shorter does no harm.
    if until - visit.participant.lease_expires_at > visit.content.lease / 20:
        visit.participant.lease_expires_at = until


def upcoming(session: Session, participant: Participant) -> Sequence[AnyRow]:
    """The next trials to decide, in order, each with the counts of the participant's trials."""
    return session.execute(UPCOMING, {"participant_id": participant.id}).all()


def _upcoming() -> Select[*tuple[Any, ...]]:
    is_theirs = Trial.participant_id == bindparam("participant_id")
    practice, decided = Trial.kind == TrialKind.PRACTICE, Trial.state == TrialState.DECIDED
    counts = (
        select(
            func.count().filter(practice, decided).label("practice_decided"),
            func.count().filter(practice).label("practice_total"),
            func.count().filter(~practice, decided).label("decided"),
            func.count().filter(~practice).label("total"),
        )
        .where(is_theirs, Trial.state != TrialState.RELEASED)
        .subquery()
    )
    columns = (
        Trial.id,
        Trial.kind,
        Trial.question,
        Trial.advice,
        Trial.has_trap,
        Trial.shown_at,
        Trial.draft,
        RegionCheck.prompt,
        Left.width,
        Left.height,
        Left.display_hash.label("left_blob"),
        Right.display_hash.label("right_blob"),
        func.coalesce(Pair.served_bytes, RegionCheck.served_bytes).label("served_bytes"),
    )
    return (
        select(*columns, counts)
        .join(Left, Left.id == Trial.left_image_id)
        .outerjoin(Right, Right.id == Trial.right_image_id)
        .join(counts, true())
        .outerjoin(Pair, Pair.id == Trial.pair_id)
        .outerjoin(RegionCheck, RegionCheck.id == Trial.region_check_id)
        .where(is_theirs, Trial.state == TrialState.ASSIGNED)
        .order_by(Trial.position)
        .limit(1 + PRELOAD_PAIRS)
    )


UPCOMING: Final = _upcoming()
"""Built once, because nearly every request needs it."""


MARK_SHOWN: Final = (
    update(Trial)
    .where(Trial.id == bindparam("trial"))
    .values(shown_at=func.now())
    .execution_options(synchronize_session=False)
)

SAVE_DRAFT: Final = (
    update(Trial)
    .where(
        Trial.id == bindparam("trial"),
        Trial.participant_id == bindparam("participant"),
        Trial.state == TrialState.ASSIGNED,
    )
    .values(draft=bindparam("content"))
)


def _recover(session: Session, visit: Visit) -> Sequence[AnyRow]:
    """The trials of a participant without any assigned one: places are taken again where some are free.

    Under the study's lock, because another page of the participant may recover, withdraw or fail a check at
    the same time.
    """
    participant = visit.participant
    study = lock_study(session, participant.study_id)
    session.refresh(participant)
    if participant.state is ParticipantState.WITHDRAWN:
        raise NotAParticipant
    if participant.state is not ParticipantState.ACTIVE:
        return ()
    trials = upcoming(session, participant)
    if not trials and (released := _released(session, participant)):
        _recover_places(session, visit, study, released)
        trials = upcoming(session, participant)
    return trials


def _released(session: Session, participant: Participant) -> Sequence[Trial]:
    return session.scalars(
        select(Trial)
        .where(Trial.participant_id == participant.id, Trial.state == TrialState.RELEASED)
        .order_by(Trial.position)
        .execution_options(populate_existing=True)
    ).all()


def _recover_places(session: Session, visit: Visit, study: Study, released: Sequence[Trial]) -> None:
    participant = visit.participant
    release_lapsed(session, study.id)
    main = [trial for trial in released if trial.kind is TrialKind.MAIN]
    # Late decisions may have taken places again, so that there are more than the study asks for.
    missing = max(0, visit.content.trials_per_participant - count_main(session, participant))
    retaken = retake_trials(session, participant, trials=main[:missing])
    session.flush()
    traps = plan_of(visit.content).traps - count_traps(session, participant)
    assign_trials(session, participant, visit.arm, wanted=missing - len(retaken), traps=traps)
    if count_main(session, participant):  # without a pair to judge, practice and checks make no sense
        retake_trials(session, participant, trials=[t for t in released if t.kind is not TrialKind.MAIN])
        session.flush()


def finish(session: Session, participant: Participant) -> None:
    """Finish a visit: the first of several requests gives the participant their completion code."""
    finished = (
        update(Participant)
        .where(Participant.id == participant.id, Participant.state == ParticipantState.ACTIVE)
        .values(
            state=ParticipantState.FINISHED, finished_at=func.now(), completion_code=new_completion_code()
        )
        .returning(Participant.id)
        .execution_options(synchronize_session=False)
    )
    if session.execute(finished).first() is not None:
        enqueue(session, CHECK_QUALITY, participant_id=str(participant.id))
    session.refresh(participant)
