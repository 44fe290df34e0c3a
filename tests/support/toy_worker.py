"""`cyborg worker` with a toy in place of training, and with short waits."""

import sys
from functools import partial

from app import tasks
from app.cli import run
from app.experiments.supervisor import SupervisorOptions
from app.jobs import queue

TOY = (sys.executable, "-m", "tests.support.toy_training")

tasks.SupervisorOptions = partial(SupervisorOptions, command=TOY)  # type: ignore[attr-defined, assignment]
tasks.HEARTBEAT_S = 0.3  # type: ignore[misc]
tasks.STALLED_AFTER_S = 1.5  # type: ignore[misc]
tasks.LOCKED_RETRY_S = 1  # type: ignore[misc]
for periodic in queue.periodic_registry.periodic_tasks.values():
    object.__setattr__(periodic, "cron", "* * * * * *")

if __name__ == "__main__":
    sys.argv = ["cyborg", "worker", *sys.argv[1:]]
    run()
