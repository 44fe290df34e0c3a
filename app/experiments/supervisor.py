"""Train one run in a child process, and watch over that process.

The child (`python -m training.worker`) gets its job on standard input and writes one event per line, which
becomes a row of `run_event`. Twice a second, even while the child is silent, the supervisor asks whether the
run has to stop.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Final
from uuid import UUID

from app.background import StopCheck
from app.db import SessionFactory
from app.experiments.records import Recorder, RunOutcome, begin_run, training_locks
from app.models import JobState
from training.config import TrainingJob
from training.events import Event, FailedEvent, FinishedEvent, parse_event

logger = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-m", "training.worker")

POLL_EVERY_S: Final = 0.5
GRACE_S: Final = 10.0
"""Between the request to stop and the kill."""
SILENCE_S: Final = 300.0
"""A healthy run writes every two seconds; loading PyTorch from a slow disk may take minutes."""
ERROR_LINES: Final = 20
"""Lines of standard error that are kept to explain a crash."""


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """How a training process is started and watched.

    should_stop : the state that a stopped run gets (`aborted`, or `queued` to be resumed); None to go on
    on_event : called with every event once it is recorded
    devices : numbers of the devices that no other run may use meanwhile
    cards : the graphics cards of this machine that those stand for; the process sees no others
    """

    should_stop: StopCheck = lambda: None
    on_event: Callable[[Event], None] = lambda _event: None
    devices: Sequence[int] = ()
    cards: Sequence[str] = ()
    command: Sequence[str] = COMMAND
    grace_s: float = GRACE_S
    silence_s: float = SILENCE_S


def supervise(sessions: SessionFactory, run_id: UUID, options: SupervisorOptions) -> JobState | None:
    """Train a run in a child process and record its events; returns the state in which it ends.

    None for a run that has ended already, which is not trained again.
    """
    with training_locks(sessions, run_id, options.devices, options.cards):
        job = begin_run(sessions, run_id)
        if job is None:
            return None
        recorder = Recorder(sessions, run_id, job.out)
        with training_process(job, options) as process:
            outcome = relay_events(process, options, recorder)
        recorder.end_run(outcome)
    details = {"action": "run_ended", "run": run_id, "state": outcome.state, "error": outcome.error}
    logger.info("run ended", extra=details)
    return outcome.state


class TrainingProcess:
    """A child process whose lines arrive in a queue, so that waiting for a line can time out."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: SimpleQueue[str | None] = SimpleQueue()
        self.error_lines: deque[str] = deque(maxlen=ERROR_LINES)
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - both are pipes
        # Threads, because a read from a pipe has no timeout; and a full standard error would block the child.
        self._readers = [
            Thread(target=self._read_lines, args=(process.stdout,), daemon=True),
            Thread(target=self.error_lines.extend, args=(process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_lines(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.put(line)
        self.lines.put(None)

    def next_line(self, *, timeout_s: float) -> str | None:
        """The next line of standard output, or None at its end; `Empty` when none comes in time."""
        return self.lines.get(timeout=timeout_s)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def exit_code(self) -> int:
        """Wait for the process and its output to end; returns its exit code."""
        code = self.process.wait()
        for reader in self._readers:
            reader.join(timeout=1)
        return code

    def stop(self, *, grace_s: float) -> None:
        """Ask the process to end, and kill it after `grace_s`. Its last checkpoint is on disk either way."""
        self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # and the processes that it started
            self.process.wait()


@contextmanager
def training_process(job: TrainingJob, options: SupervisorOptions) -> Iterator[TrainingProcess]:
    """The child process at work on the job; it ends with the block, even when the block raises."""
    with subprocess.Popen(  # noqa: S603 - the command is ours
        options.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | ({"CUDA_VISIBLE_DEVICES": ",".join(options.cards)} if options.cards else {}),
        start_new_session=True,  # Ctrl-C is for the parent, which then stops the child in order
    ) as popen:
        process = TrainingProcess(popen)
        try:
            _send_job(popen, job)
            yield process
        finally:
            if process.is_alive:
                process.stop(grace_s=options.grace_s)


def _send_job(popen: subprocess.Popen[str], job: TrainingJob) -> None:
    assert popen.stdin is not None  # noqa: S101 - it is a pipe
    try:
        popen.stdin.write(job.model_dump_json())
        popen.stdin.close()
    except BrokenPipeError:
        logger.warning("the child ended before it read its job", extra={"action": "child_gone"})


def relay_events(process: TrainingProcess, options: SupervisorOptions, recorder: Recorder) -> RunOutcome:
    """Record events until the process ends; stop it when the run has to stop, or writes nothing for long."""
    last_event: Event | None = None
    stopped: RunOutcome | None = None
    last_line_at = time.monotonic()
    while True:
        if stopped is None and (stopped := _reason_to_stop(options, last_line_at)) is not None:
            process.stop(grace_s=options.grace_s)
        try:
            line = process.next_line(timeout_s=POLL_EVERY_S)
        except Empty:
            recorder.flush()
            if process.is_alive:
                continue
            line = None  # the process has ended, but one that it started still holds its output open
        if line is None:
            return final_outcome(last_event, process.exit_code(), process.error_lines, stopped=stopped)
        last_line_at = time.monotonic()
        last_event = _relay(line, options, recorder) or last_event


def _reason_to_stop(options: SupervisorOptions, last_line_at: float) -> RunOutcome | None:
    if (state := options.should_stop()) is not None:
        return RunOutcome(state)
    if time.monotonic() - last_line_at > options.silence_s:
        return RunOutcome(JobState.FAILED, f"The training process wrote nothing for {options.silence_s:g} s.")
    return None


def _relay(line: str, options: SupervisorOptions, recorder: Recorder) -> Event | None:
    """Record the event of a line; a line that is no event is logged, and gives None."""
    try:
        event = parse_event(line)
    except ValueError:
        logger.warning("not an event", extra={"action": "not_an_event", "line": line[:200]})
        return None
    recorder.record(event)
    options.on_event(event)
    return event


def final_outcome(
    last_event: Event | None,
    exit_code: int,
    error_lines: Sequence[str],
    *,
    stopped: RunOutcome | None = None,
) -> RunOutcome:
    """How a run ended, by its last event, its exit code, and why it was stopped, if it was."""
    match last_event:
        case FinishedEvent(metrics=metrics):  # every file was complete before; a later crash changes nothing
            return RunOutcome(JobState.SUCCEEDED, metrics=metrics)
        case _ if stopped is not None:
            return stopped
        case FailedEvent(error=error):
            return RunOutcome(JobState.FAILED, error)
        case _:
            return RunOutcome(JobState.FAILED, _crash_message(exit_code, error_lines))


def _crash_message(exit_code: int, error_lines: Sequence[str]) -> str:
    """Why a process ended without an event that says so."""
    if exit_code == -signal.SIGKILL:
        return (
            "The training process was killed (SIGKILL); most often the machine had run out of memory. "
            "A smaller batch needs less."
        )
    if exit_code < 0:
        return f"The training process was killed by {signal.Signals(-exit_code).name}."
    printed = next((line.strip() for line in reversed(error_lines) if line.strip()), "nothing")
    return f"The training process ended with exit code {exit_code}; the last line it printed: {printed}"
