"""The queue and the names of its jobs; `app.tasks`, which only a worker imports, has their code."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import procrastinate
from procrastinate import PsycopgConnector, SyncPsycopgConnector
from procrastinate.testing import InMemoryConnector
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.db import conninfo

BUILD_MAPS: Final = "maps.build"
TRAIN: Final = "experiments.train"
CHECK_QUALITY: Final = "quality.check"
ANALYSE: Final = "analysis.run"
RUN_TASK: Final = "experiments.task"
RELEASE_LAPSED: Final = "trials.release_lapsed"
FOLD_TALLIES: Final = "studies.fold_tallies"
DELETE_SCORES: Final = "experiments.delete_scores"
VISIT_MARKETPLACE: Final = "recruitment.visit"
VISIT_MARKETPLACES: Final = "recruitment.visit_all"
CHECK_ALERTS: Final = "overview.check_alerts"
DELIVER_ALERT: Final = "overview.deliver_alert"
RETRY_STALLED: Final = "queue.retry_stalled"

# The app with which tasks are registered; `working_queue` gives it a connector.
queue: Final = procrastinate.App(connector=InMemoryConnector(), import_paths=["app.tasks"])

# The app that enqueues. It is never opened: every call uses the connection of its caller's transaction.
outbox: Final = procrastinate.App(connector=SyncPsycopgConnector())


@contextmanager
def working_queue(engine: Engine) -> Iterator[procrastinate.App]:
    """The queue as a worker uses it."""
    connector = PsycopgConnector(conninfo=conninfo(engine))
    with queue.replace_connector(connector) as connected:
        yield connected


def enqueue(session: Session, name: str, *, lock: str | None = None, **arguments: Any) -> int:
    """Queue a job in the caller's transaction: no commit, no job.

    Jobs that share a `lock` run one after the other, whichever worker takes them.
    """
    task = outbox.configure_task(name, lock=lock, connection=_connection(session))
    return int(task.defer(**arguments))


def enqueue_once(session: Session, name: str, *, lock: str, **arguments: Any) -> None:
    """Queue a job unless one of this name and lock waits already; one that runs may have seen too little."""
    waiting = text(
        "SELECT EXISTS (SELECT FROM procrastinate_jobs"
        " WHERE task_name = :name AND lock = :lock AND status = 'todo')"
    )
    if not session.scalar(waiting, {"name": name, "lock": lock}):
        enqueue(session, name, lock=lock, **arguments)


def cancel(session: Session, job_id: int) -> bool:
    """Take back a job that waits, or ask one that runs to stop, when the caller's transaction commits.

    False when it has ended already.
    """
    return outbox.job_manager.cancel_job_by_id(job_id, abort=True, connection=_connection(session))


def is_alive(session: Session, job_id: int) -> bool:
    """Whether a job waits or runs; a dead worker's job counts as running until another worker gets it."""
    query = text("SELECT status IN ('todo', 'doing') FROM procrastinate_jobs WHERE id = :id")
    return bool(session.scalar(query, {"id": job_id}))


def next_tries(session: Session, jobs: Collection[int]) -> dict[int, datetime | None]:
    """Of those of these jobs that wait or run: when each is due; None: now."""
    query = text(
        "SELECT id, scheduled_at FROM procrastinate_jobs"
        " WHERE id = ANY(:jobs) AND status IN ('todo', 'doing')"
    )
    return {row.id: row.scheduled_at for row in session.execute(query, {"jobs": list(jobs)})}


def _connection(session: Session) -> Any:
    return session.connection().connection.driver_connection
