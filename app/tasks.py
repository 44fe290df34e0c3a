"""What the jobs of the queue do. Only a worker imports this."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision
from procrastinate.exceptions import JobAborted
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job, Status
from sqlalchemy import delete, func, select, update

from app import jobs
from app.analysis.service import Stopped, run_analysis
from app.db import SessionFactory
from app.errors import WrongState
from app.experiments.errands import Interrupted as ErrandInterrupted
from app.experiments.errands import Work, do_errand, forget_scores
from app.experiments.records import devices_of
from app.experiments.supervisor import Watch, supervise
from app.jobs import (
    ANALYSE,
    BUILD_MAPS,
    CHECK_QUALITY,
    FOLD_TALLIES,
    FORGET_SCORES,
    RELEASE_LAPSED,
    RETRY_STALLED,
    RUN_ERRAND,
    TRAIN,
    queue,
)
from app.maps.building import Interrupted, build_map_set
from app.models import (
    Errand,
    JobState,
    MapSet,
    Participant,
    ParticipantState,
    Run,
    SaliencyMap,
    StudyAnalysis,
)
from app.quality.service import check_participant
from app.recruitment.assignment import lock_study, release_lapsed
from app.storage import BlobStore
from app.studies.tallies import fold, unfolded

logger = logging.getLogger(__name__)

HEARTBEAT_S: Final = 5.0
STALLED_AFTER_S: Final = 30.0
"""A worker that has not been heard of for so long is dead; its jobs go to others."""

MAX_ATTEMPTS: Final = 5
"""A job that has taken this many workers down with it is not given to another."""

TAKEN_RETRY_S: Final = 15


@dataclass(frozen=True, slots=True)
class Services:
    """What a worker hands to its jobs."""

    sessions: SessionFactory
    blobs: BlobStore
    map_processes: int = 1


class Resume(BaseRetryStrategy):
    """Again, when the worker had to stop or another one still holds the work; never after a failure."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:  # noqa: ARG002
        if isinstance(exception, JobAborted):  # asked only when the worker is shutting down
            return RetryDecision()
        if isinstance(exception, WrongState):
            return RetryDecision(retry_in={"seconds": TAKEN_RETRY_S})
        return None


def services(context: JobContext) -> Services:
    return cast("Services", context.additional_context["services"])


def stopped_state(context: JobContext) -> JobState | None:
    """What becomes of work that is asked to stop: it waits for another worker, or was aborted by somebody."""
    match context.abort_reason():
        case None:
            return None
        case AbortReason.SHUTDOWN:
            return JobState.QUEUED
        case _:
            return JobState.ABORTED


@queue.task(name=BUILD_MAPS, pass_context=True, retry=Resume())
def build_maps(context: JobContext, *, map_set_id: int) -> None:
    """Build a map set; a worker that stops meanwhile leaves it to the next."""
    own, stop = services(context), partial(stopped_state, context)
    try:
        build_map_set(own.sessions, own.blobs, map_set_id, jobs=own.map_processes, should_stop=stop)
    except Interrupted as stopped:
        raise JobAborted from stopped


@queue.task(name=TRAIN, pass_context=True, retry=Resume())
def train(context: JobContext, *, run_id: str) -> None:
    """Train a run. One that fails has said why in its row, so its job is done."""

    sessions = services(context).sessions
    devices = devices_of_lock(context.job.lock, wanted=devices_of(sessions, UUID(run_id)))
    watch = Watch(should_stop=partial(stopped_state, context), devices=devices, cards=cards_of(devices))
    ended = supervise(sessions, UUID(run_id), watch)
    if ended in (JobState.QUEUED, JobState.ABORTED):
        raise JobAborted


@queue.task(name=CHECK_QUALITY, pass_context=True)
def check_quality(context: JobContext, *, participant_id: str) -> None:
    """Look at the work of a participant who has just ended their visit."""
    with services(context).sessions.begin() as session:
        check_participant(session, UUID(participant_id))


@queue.task(name=ANALYSE, pass_context=True, retry=Resume())
def analyse(context: JobContext, *, analysis_id: int) -> None:
    """Compute an analysis; a worker that stops meanwhile leaves it to the next."""
    own = services(context)
    try:
        run_analysis(own.sessions, own.blobs, analysis_id, should_stop=context.should_abort)
    except Stopped as stopped:
        raise JobAborted from stopped


@queue.task(name=RUN_ERRAND, pass_context=True, retry=Resume())
def run_errand(context: JobContext, *, errand_id: int) -> None:
    """Freeze a dataset or export a detector; a worker that stops meanwhile leaves it to the next."""
    own = services(context)
    try:
        do_errand(Work(own.sessions, own.blobs, context.should_abort), errand_id)
    except ErrandInterrupted as stopped:
        raise JobAborted from stopped


def devices_of_lock(lock: str | None, *, wanted: int = 1) -> range:
    """The numbers of the devices that a lock stands for: its own and those that follow."""
    first = int((lock or "device:0").rpartition(":")[2])
    return range(first, first + wanted)


def cards_of(devices: Sequence[int]) -> list[str]:
    """The graphics cards of this machine that stand for these devices; none where it has none."""
    cards = visible_cards()
    return list(dict.fromkeys(cards[number % len(cards)] for number in devices)) if cards else []


def visible_cards() -> list[str]:
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [card for card in visible.split(",") if card]
    numbers = (int(card.name.removeprefix("nvidia")) for card in Path("/dev").glob("nvidia[0-9]*"))
    return [str(number) for number in sorted(numbers)]


@queue.periodic(cron="* * * * *")
@queue.task(name=RELEASE_LAPSED, queueing_lock=RELEASE_LAPSED, pass_context=True)
def release_lapsed_places(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Give back the places of participants whose lease has run out, study by study."""
    sessions = services(context).sessions
    lapsed = select(Participant.study_id).distinct()
    lapsed = lapsed.where(Participant.state == ParticipantState.ACTIVE)
    with sessions() as session:
        studies = session.scalars(lapsed.order_by(Participant.study_id)).all()
    for study_id in studies:
        with sessions.begin() as session:
            lock_study(session, study_id)
            release_lapsed(session, study_id)


@queue.periodic(cron="* * * * *")
@queue.task(name=FOLD_TALLIES, queueing_lock=FOLD_TALLIES, pass_context=True)
def fold_tallies(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Add up the counts of studies at work, so that their pages stay quick."""
    sessions = services(context).sessions
    with sessions() as session:
        studies = unfolded(session)
    for study_id in studies:
        with sessions.begin() as session:
            fold(session, study_id)


@queue.periodic(cron="*/10 * * * *")
@queue.task(name=FORGET_SCORES, queueing_lock=FORGET_SCORES, pass_context=True)
def forget_old_scores(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """What a detector said about somebody's picture is not kept."""
    with services(context).sessions.begin() as session:
        forget_scores(session)


@queue.periodic(cron="* * * * * */10")
@queue.task(name=RETRY_STALLED, queueing_lock=RETRY_STALLED, pass_context=True)
async def retry_stalled(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Give the jobs of dead workers to living ones. The queue does not do that by itself."""
    manager, sessions = context.app.job_manager, services(context).sessions
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S):
        logger.warning("job stalled", extra={"action": "job_stalled", "job": job.id, "task": job.task_name})
        if job.attempts >= MAX_ATTEMPTS:
            await manager.finish_job(job, Status.FAILED, delete_job=False)
            error = f"It was given up: {job.attempts + 1} workers died while they were at it."
            give_up(sessions, job, state=JobState.FAILED, error=error)
            continue
        await manager.retry_job(job)
        # A job that was asked to stop before its worker died is not given to another.
        if await manager.get_job_status_async(cast("int", job.id)) is Status.FAILED:
            give_up(sessions, job, state=JobState.ABORTED, error=None)


def give_up(sessions: SessionFactory, job: Job, *, state: JobState, error: str | None) -> None:
    """Say in the row of a run or map set that nobody works on it any more."""
    arguments = cast("dict[str, Any]", job.task_kwargs)
    with sessions.begin() as session:
        match job.task_name:
            case jobs.TRAIN:
                mine = Run.id == UUID(arguments["run_id"])
                session.execute(update(Run).where(mine).values(state=state, error=error, ended_at=func.now()))
            case jobs.RUN_ERRAND:
                mine = Errand.id == arguments["errand_id"]
                ended = {"state": state, "error": error, "ended_at": func.now()}
                session.execute(update(Errand).where(mine).values(**ended))
            case jobs.BUILD_MAPS:
                built = MapSet.id == arguments["map_set_id"]
                session.execute(update(MapSet).where(built).values(state=state, error=error))
                session.execute(delete(SaliencyMap).where(SaliencyMap.map_set_id == arguments["map_set_id"]))
            case jobs.ANALYSE:
                asked = StudyAnalysis.id == arguments["analysis_id"]
                session.execute(update(StudyAnalysis).where(asked).values(state=state, error=error))
