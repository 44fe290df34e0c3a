"""The code of the queue's jobs. Only a worker imports this."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

from procrastinate import BaseRetryStrategy, JobContext, RetryDecision, RetryStrategy
from procrastinate.exceptions import JobAborted
from procrastinate.job_context import AbortReason
from procrastinate.jobs import Job, Status
from sqlalchemy import select

from app.analysis.requests import ANALYSES
from app.background import Interrupted, WorkKind, end
from app.db import SessionFactory
from app.errors import MarketplaceRefused, MarketplaceUnavailable, Unavailable, WrongState
from app.experiments.background_tasks import TASKS, delete_old_scores, do_task
from app.experiments.records import devices_of
from app.experiments.service import RUNS
from app.experiments.supervisor import SupervisorOptions, supervise
from app.jobs import (
    ANALYSE,
    BUILD_MAPS,
    CHECK_ALERTS,
    CHECK_QUALITY,
    DELETE_SCORES,
    DELIVER_ALERT,
    FOLD_TALLIES,
    RELEASE_LAPSED,
    RETRY_STALLED,
    RUN_TASK,
    TRAIN,
    VISIT_MARKETPLACE,
    VISIT_MARKETPLACES,
    queue,
)
from app.maps.building import build_map_set
from app.maps.service import MAP_SETS
from app.models import AlertReceiver, AlertTurn, JobState, Participant, ParticipantState
from app.overview.alerts import check_alerts, deliver_alert
from app.quality.service import check_participant
from app.recruitment.assignment import lock_study
from app.recruitment.events import ask_for_visit
from app.recruitment.sync import open_listings, visit
from app.settings import Settings
from app.storage import BlobStore
from app.studies.places import release_lapsed
from app.studies.tallies import fold, unfolded

logger = logging.getLogger(__name__)

HEARTBEAT_S: Final = 5.0
STALLED_AFTER_S: Final = 30.0
"""A worker without a heartbeat for so long counts as dead, and its jobs go to others."""

MAX_ATTEMPTS: Final = 5
"""A job whose workers died so many times is not given to another."""

LOCKED_RETRY_S: Final = 15
"""Until work that another worker still does is tried again."""

DELIVER_AGAIN: Final = RetryStrategy(max_attempts=12, exponential_wait=3, retry_exceptions={Unavailable})
"""An alert that did not arrive: after 3 s, 9 s, 27 s, …"""

KINDS: Final[Sequence[WorkKind[Any]]] = (MAP_SETS, ANALYSES, RUNS, TASKS)


@dataclass(frozen=True, slots=True)
class Services:
    """What a worker hands to its jobs."""

    sessions: SessionFactory
    blobs: BlobStore
    map_processes: int = 1
    settings: Settings = field(default_factory=Settings)


class Resume(BaseRetryStrategy):
    """Retries a job when its worker had to stop or another still does the work; never after a failure."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:  # noqa: ARG002
        if isinstance(exception, JobAborted):  # asked only when the worker is shutting down
            return RetryDecision()
        if isinstance(exception, WrongState):
            return RetryDecision(retry_in={"seconds": LOCKED_RETRY_S})
        return None


def services(context: JobContext) -> Services:
    return cast("Services", context.additional_context["services"])


def stopped_state(context: JobContext) -> JobState | None:
    """The state in which work has to stop: queued for another worker, or aborted; None to go on."""
    match context.abort_reason():
        case None:
            return None
        case AbortReason.SHUTDOWN:
            return JobState.QUEUED
        case _:
            return JobState.ABORTED


@contextmanager
def abortable() -> Iterator[None]:
    """Mark the job as aborted when its work stops before it is done."""
    try:
        yield
    except Interrupted as interrupted:
        raise JobAborted from interrupted


@queue.task(name=BUILD_MAPS, pass_context=True, retry=Resume())
def build_maps(context: JobContext, *, map_set_id: int) -> None:
    """Build a map set; a worker that stops meanwhile leaves it to the next."""
    worker, stop = services(context), partial(stopped_state, context)
    with abortable():
        build_map_set(worker.sessions, worker.blobs, map_set_id, jobs=worker.map_processes, should_stop=stop)


@queue.task(name=TRAIN, pass_context=True, retry=Resume())
def train(context: JobContext, *, run_id: str) -> None:
    """Train a run. The job of a run that fails has succeeded: the run's row says why."""
    sessions = services(context).sessions
    devices = devices_of_lock(context.job.lock, wanted=devices_of(sessions, UUID(run_id)))
    options = SupervisorOptions(
        should_stop=partial(stopped_state, context),
        devices=devices,
        cards=cards_of(devices),
        card_shares=card_shares(devices, services(context).settings.runs_per_card),
    )
    state = supervise(sessions, UUID(run_id), options)
    if state in (JobState.QUEUED, JobState.ABORTED):
        raise JobAborted


@queue.task(name=CHECK_QUALITY, pass_context=True)
def check_quality(context: JobContext, *, participant_id: str) -> None:
    """Look for quality flags in the work of a participant whose visit has just ended."""
    with services(context).sessions.begin() as session:
        check_participant(session, UUID(participant_id))


@queue.task(name=ANALYSE, pass_context=True, retry=Resume())
def analyse(context: JobContext, *, analysis_id: int) -> None:
    """Compute an analysis; a worker that stops meanwhile leaves it to the next."""
    from app.analysis.service import run_analysis  # loads pandas and matplotlib, which takes seconds

    worker = services(context)
    with abortable():
        run_analysis(worker.sessions, worker.blobs, analysis_id, should_stop=partial(stopped_state, context))


@queue.task(name=RUN_TASK, pass_context=True, retry=Resume())
def run_task(context: JobContext, *, task_id: int) -> None:
    """Freeze, export, score or audit; a worker that stops leaves it to the next."""
    worker = services(context)
    with abortable():
        do_task(worker.sessions, worker.blobs, task_id, should_stop=partial(stopped_state, context))


def devices_of_lock(lock: str | None, *, wanted: int = 1) -> range:
    """The numbers of the devices of a job: the one of its lock and those that follow."""
    first = int((lock or "device:0").rpartition(":")[2])
    return range(first, first + wanted)


def cards_of(devices: Sequence[int]) -> list[str]:
    """The graphics cards of this machine for these devices; none where it has no card."""
    cards = visible_cards()
    return list(dict.fromkeys(cards[number % len(cards)] for number in devices)) if cards else []


def card_shares(devices: Sequence[int], runs_per_card: int) -> list[str]:
    """The shares of this machine's cards that a run on these devices needs; none where it has no card.

    Device numbers count through the cards, then through the shares of each. A run on several devices needs
    its cards whole.
    """
    cards = visible_cards()
    if not cards:
        return []
    if len(devices) == 1:
        return [_share(cards[devices[0] % len(cards)], devices[0] // len(cards) % runs_per_card)]
    return [_share(card, share) for card in cards_of(devices) for share in range(runs_per_card)]


def _share(card: str, share: int) -> str:
    return f"{card}, share {share + 1}" if share else card


def visible_cards() -> list[str]:
    if (visible := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [card for card in visible.split(",") if card]
    numbers = (int(card.name.removeprefix("nvidia")) for card in Path("/dev").glob("nvidia[0-9]*"))
    return [str(number) for number in sorted(numbers)]


@queue.periodic(cron="* * * * *")
@queue.task(name=RELEASE_LAPSED, queueing_lock=RELEASE_LAPSED, pass_context=True)
def release_lapsed_places(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Free the places of participants whose lease has run out, study by study."""
    sessions = services(context).sessions
    active = select(Participant.study_id).distinct()
    active = active.where(Participant.state == ParticipantState.ACTIVE)
    with sessions() as session:
        studies = session.scalars(active.order_by(Participant.study_id)).all()
    for study_id in studies:
        with sessions.begin() as session:
            lock_study(session, study_id)
            release_lapsed(session, study_id)


@queue.periodic(cron="* * * * *")
@queue.task(name=FOLD_TALLIES, queueing_lock=FOLD_TALLIES, pass_context=True)
def fold_tallies(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Add up the tallies of studies, so that their pages stay fast."""
    sessions = services(context).sessions
    with sessions() as session:
        studies = unfolded(session)
    for study_id in studies:
        with sessions.begin() as session:
            fold(session, study_id)


@queue.periodic(cron="*/10 * * * *")
@queue.task(name=DELETE_SCORES, queueing_lock=DELETE_SCORES, pass_context=True)
def delete_scores(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Delete old scores of images that staff uploaded."""
    with services(context).sessions.begin() as session:
        delete_old_scores(session)


@queue.task(name=VISIT_MARKETPLACE, pass_context=True, retry=Resume())
def visit_marketplace(context: JobContext, *, listing_id: int) -> None:
    """Do what staff asked for on a marketplace, and write down what it shows.

    What a marketplace refuses, or does not answer, is told on the page and tried again a minute later.
    """
    worker = services(context)
    with suppress(MarketplaceRefused, MarketplaceUnavailable):
        visit(worker.sessions, worker.settings, listing_id)


@queue.periodic(cron="* * * * *")
@queue.task(name=VISIT_MARKETPLACES, queueing_lock=VISIT_MARKETPLACES, pass_context=True)
def visit_marketplaces(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Look at every listing that lives: the net below the events that a marketplace sends."""
    with services(context).sessions.begin() as session:
        for listing_id in open_listings(session):
            ask_for_visit(session, listing_id)


@queue.periodic(cron="* * * * *")
@queue.task(name=CHECK_ALERTS, queueing_lock=CHECK_ALERTS, pass_context=True)
def check_for_alerts(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Begin alerts and end those that are over."""
    worker = services(context)
    with worker.sessions.begin() as session:
        check_alerts(session, worker.settings)


@queue.task(name=DELIVER_ALERT, pass_context=True, retry=DELIVER_AGAIN)
def deliver(context: JobContext, *, alert_id: int, turn: str, receiver: str) -> None:
    """Post or mail an alert. What does not arrive is tried again, for three days."""
    worker = services(context)
    with worker.sessions.begin() as session:
        failure = deliver_alert(session, worker.settings, alert_id, AlertTurn(turn), AlertReceiver(receiver))
    if failure is not None:
        raise failure


@queue.periodic(cron="* * * * * */10")
@queue.task(name=RETRY_STALLED, queueing_lock=RETRY_STALLED, pass_context=True)
async def retry_stalled(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Give the jobs of dead workers to others, which the queue does not do by itself."""
    manager, sessions = context.app.job_manager, services(context).sessions
    for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S):
        logger.warning("job stalled", extra={"action": "job_stalled", "job": job.id, "task": job.task_name})
        if job.attempts >= MAX_ATTEMPTS:
            await manager.finish_job(job, Status.FAILED, delete_job=False)
            error = f"It was given up: {job.attempts + 1} workers died while they worked on it."
            give_up(sessions, job, state=JobState.FAILED, error=error)
            continue
        await manager.retry_job(job)
        # A job that was asked to stop before its worker died is not given to another.
        if await manager.get_job_status_async(cast("int", job.id)) is Status.FAILED:
            give_up(sessions, job, state=JobState.ABORTED, error=None)


def give_up(sessions: SessionFactory, job: Job, *, state: JobState, error: str | None) -> None:
    """Write into the row of background work how it ended, because no worker will."""
    for kind in KINDS:
        if kind.job == job.task_name:
            with sessions.begin() as session:
                end(session, kind, kind.id_from(cast("Any", job.task_kwargs[kind.argument])), state, error)
