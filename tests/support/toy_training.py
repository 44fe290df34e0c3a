"""Stands in for `python -m training.worker`: the same pipe, no network, and the manners its job asks for.

The architecture of the job is what happens: see the functions below.
"""

import os
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

from training.config import TrainingJob
from training.events import (
    EpochEvent,
    Event,
    FailedEvent,
    FinishedEvent,
    HeartbeatEvent,
    StartedEvent,
    StepEvent,
)

EPOCHS = 10
IN_ONE_LIFE = 3
"""How many epochs `counts` tells of before it waits."""


def write(line: str, stream: TextIO = sys.stdout) -> None:
    stream.write(line + "\n")
    stream.flush()


def say(event: Event) -> None:
    write(event.line())


def started(first_epoch: int = 1) -> StartedEvent:
    return StartedEvent(
        run="toy",
        device="cpu",
        parameters=1,
        images={"train": 1},
        with_map=1,
        epochs=EPOCHS,
        first_epoch=first_epoch,
        steps_per_epoch=1,
        plan="none",
    )


def epoch(number: int) -> EpochEvent:
    return EpochEvent(
        epoch=number,
        epochs=EPOCHS,
        lr=0.1,
        train_accuracy=0.5,
        val_accuracy=0.5,
        best=True,
        terms={},
        val_terms={},
        cam_entropy=None,
        human_entropy=None,
        max_entropy=1.0,
        images_per_s=1.0,
        gpu_memory_bytes=None,
        seconds=0.1,
        eta_s=0.1,
    )


def finishes(_job: TrainingJob) -> None:
    say(started())
    say(HeartbeatEvent(doing="train"))
    say(StepEvent(epoch=1, step=1, steps=1, terms={"loss": float("nan")}, images_per_s=1.0))
    say(epoch(1))
    say(FinishedEvent(metrics={"best_epoch": 1.0, "test/auc": 0.75}))


def counts(job: TrainingJob) -> None:
    """Some epochs, and one more of which nobody is told, are on disk; then it waits to be cut off.

    It goes on after what is on disk, and ends with the last epoch.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    record = job.out / "events.jsonl"
    done = len(record.read_text().splitlines()) if record.is_file() else 0
    mine = [epoch(number) for number in range(done + 1, EPOCHS + 1)][: IN_ONE_LIFE + 1]
    with record.open("a") as stream:
        stream.writelines(one.line() + "\n" for one in mine)
    say(started(done + 1))
    for one in mine[:IN_ONE_LIFE]:
        say(one)
    if mine[-1].epoch < EPOCHS:
        idle()
    say(FinishedEvent(metrics={"best_epoch": 1.0, "test/auc": 0.5}))


def idle() -> None:
    """Wait for the end: of patience, or of whoever reads."""
    for _ in range(600):
        say(HeartbeatEvent(doing="train"))
        time.sleep(0.1)


def naps(job: TrainingJob) -> None:
    """Notes when it begins and when it ends, in a file of its own."""
    began = time.time()
    time.sleep(0.4)
    diary = Path(job.dataset).parent / f"nap-{job.run.seed}.txt"
    diary.write_text(f"{job.run.seed} {began} {time.time()}")
    say(FinishedEvent(metrics={}))


def is_silent(_job: TrainingJob) -> None:
    say(started())
    time.sleep(60)


def is_deaf(_job: TrainingJob) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say(started())
    time.sleep(60)


def is_killed(_job: TrainingJob) -> None:
    say(started())
    os.kill(os.getpid(), signal.SIGKILL)


def fails(_job: TrainingJob) -> None:
    say(FailedEvent(error="Out of memory on cuda with batch_size = 20; try 10."))
    sys.exit(3)


def crashes(_job: TrainingJob) -> None:
    write("Traceback\nImportError: no such thing", sys.stderr)
    sys.exit(4)


def babbles(job: TrainingJob) -> None:
    write('Downloading weights: 100%\n{"kind": "step"}')
    finishes(job)


if __name__ == "__main__":
    asked = TrainingJob.model_validate_json(sys.stdin.read())
    globals()[asked.run.architecture](asked)
