"""`cyborg worker`"""

import logging
from typing import Annotated

import typer

from app.cli import app
from app.cli.context import opened
from app.cli.remote import MACHINE, only_here

logger = logging.getLogger(__name__)


@app.command()
@only_here(MACHINE)
def worker(
    concurrency: Annotated[
        int | None, typer.Option(help="Jobs at a time; one per training device and two for the rest.", min=1)
    ] = None,
    map_processes: Annotated[int, typer.Option(help="Processes that share the building of maps.", min=1)] = 1,
) -> None:
    """Work off the queue: maps, training, and places that lapsed. Any number of workers may run."""
    from app import logs
    from app.db import connect, factory
    from app.jobs import working_queue
    from app.tasks import HEARTBEAT_S, STALLED_AFTER_S, Services

    with opened() as context, working_queue(context.engine) as queue:
        jobs = concurrency or context.settings.devices + 2
        # A job may hold two connections all along and needs another now and then.
        engine = connect(context.settings, connections=3 * jobs)
        services = Services(factory(engine), context.blobs, map_processes, context.settings)
        logs.configure(context.settings.log_format)
        logger.info("worker started", extra={"action": "worker_started"})
        queue.run_worker(
            concurrency=jobs,
            additional_context={"services": services},
            delete_jobs="successful",
            fetch_job_polling_interval=2.0,
            abort_job_polling_interval=1.0,
            shutdown_graceful_timeout=1.0,
            update_heartbeat_interval=HEARTBEAT_S,
            stalled_worker_timeout=STALLED_AFTER_S,
        )
        engine.dispose()
        logger.info("worker stopped", extra={"action": "worker_stopped"})
