"""Do one run in a process of its own: `python -m training.worker < job.json > events.jsonl`.

Standard input holds one job as JSON. Standard output gets one event per line, at least every two seconds,
and nothing else. Standard error gets what libraries print. Exit codes: 0 finished, 1 the user can correct it
(the last event, `failed`, says how), 2 the job cannot be read, 3 out of memory, 4 a bug, 143 stopped by
SIGTERM.

SIGTERM ends the process at once, whatever it computes: checkpoints are written in one move, so a later
process continues from the last complete epoch.

A job for several devices replaces this process by torchrun, which starts one worker for each device. Only the
first worker writes events, but each may write why it failed. A worker ends when its parent process ends.
"""

import os
import signal
import sys
import threading
import time
import traceback
from typing import Final, TextIO

from pydantic import ValidationError

from training.config import TrainingJob, explain
from training.errors import TrainingError, in_words
from training.events import HEARTBEAT_S, Event, FailedEvent, HeartbeatEvent

FINISHED, MENDABLE, BAD_JOB, OUT_OF_MEMORY, BUG, STOPPED = 0, 1, 2, 3, 4, 143

HEARTBEAT_AFTER_S: Final = HEARTBEAT_S / 2

RANK: Final = "RANK"
"""Environment variable of torchrun: the number of a process among several."""

JOB: Final = "CYBORG_JOB"
"""Environment variable that passes the job through torchrun, which does not pass standard input."""


class EventWriter:
    """Writes events to a stream, and a heartbeat when there was no other event for a while."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._written_at = 0.0
        self._doing = "load"

    def write(self, event: Event) -> None:
        """Write one line and flush."""
        with self._lock:
            self._stream.write(event.line() + "\n")
            self._stream.flush()
            self._written_at = time.monotonic()
            self._doing = {"started": "train", "evaluated": "write"}.get(event.kind, self._doing)

    def write_heartbeats(self) -> None:
        """Run in a thread: write heartbeats; end the process when its parent is gone."""
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(HEARTBEAT_AFTER_S / 4)
            if _writes_events() and time.monotonic() - self._written_at >= HEARTBEAT_AFTER_S:
                try:
                    self.write(HeartbeatEvent(doing=self._doing))
                except BrokenPipeError:
                    break
        os._exit(STOPPED)


def main(text: bytes) -> int:
    """Do the job and write its events; returns the exit code."""
    writer = EventWriter(_only_events_on_stdout())
    try:
        job = TrainingJob.model_validate_json(text)
    except ValidationError as error:
        writer.write(FailedEvent(error=f"The job cannot be read: {explain(error)}"))
        return BAD_JOB
    threading.Thread(target=writer.write_heartbeats, daemon=True).start()
    try:
        from training.run import run_job

        for event in run_job(job):
            if _writes_events():
                writer.write(event)
    except TrainingError as error:
        writer.write(FailedEvent(error=str(error)))
        return OUT_OF_MEMORY if type(error).__name__ == "OutOfMemory" else MENDABLE
    except Exception as error:  # noqa: BLE001 - the parent must get an event before the process ends
        traceback.print_exc()
        writer.write(FailedEvent(error=in_words(error)))
        return BUG
    return FINISHED


def _writes_events() -> bool:
    """Whether this is the only process, or the first of several."""
    return os.environ.get(RANK, "0") == "0"


def _read_job() -> bytes:
    """The job from standard input, or from the environment behind torchrun."""
    return os.environ[JOB].encode() if JOB in os.environ else sys.stdin.buffer.read()


def _become_torchrun(text: bytes) -> None:
    """Replace this process by torchrun, with one worker per device, if the job has several devices."""
    try:
        devices = TrainingJob.model_validate_json(text).run.devices
    except ValidationError:
        return  # `main` writes the event
    if devices == 1 or RANK in os.environ:
        return
    os.environ[JOB] = text.decode()
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(devices))
    os.execv(sys.executable, (sys.executable, *torchrun, "-m", "training.worker"))  # noqa: S606


def _only_events_on_stdout() -> TextIO:
    """Duplicate standard output for events, and send what libraries print there to standard error."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return events


def _exit_on_sigterm() -> None:
    """End at SIGTERM from a thread: Python's own handlers run only between two steps of the main thread."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        os._exit(STOPPED)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    job_text = _read_job()
    _become_torchrun(job_text)
    _exit_on_sigterm()
    code = main(job_text)
    sys.stderr.flush()
    # Not sys.exit: threads of libraries may still run, and every file is complete.
    os._exit(code)
