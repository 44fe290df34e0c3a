"""The queue and the names of its jobs. The bodies are in `app.tasks`."""

from typing import Any, Final

import procrastinate
from procrastinate import PsycopgConnector, SyncPsycopgConnector
from procrastinate.testing import InMemoryConnector
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db import libpq_url

BUILD_MAPS: Final = "maps.build"
TRAIN: Final = "experiments.train"
RELEASE_LAPSED: Final = "trials.release_lapsed"
RETRY_STALLED: Final = "queue.retry_stalled"

# The connector is put in by `web_queue` and `worker_queue`; in-memory until then.
queue: Final = procrastinate.App(connector=InMemoryConnector(), import_paths=["app.tasks"])


def web_queue(engine: Engine) -> procrastinate.App:
    """The queue as the web process uses it: it only ever enqueues inside a caller's transaction."""
    return queue.with_connector(SyncPsycopgConnector(conninfo=libpq_url(engine)))


def worker_queue(engine: Engine) -> procrastinate.App:
    return queue.with_connector(PsycopgConnector(conninfo=libpq_url(engine)))


def enqueue(session: Session, name: str, *, lock: str | None = None, **arguments: Any) -> int:
    """Queue a job in the caller's transaction: no commit, no job.

    Jobs that share a `lock` run one after the other, whichever worker takes them.
    """
    connection = session.connection().connection.driver_connection
    task = queue.configure_task(name, lock=lock, allow_unknown=True, connection=connection)
    return int(task.defer(**arguments))
