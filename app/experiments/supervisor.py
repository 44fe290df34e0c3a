"""Watches over the child process that trains one run.

The child (`python -m training.worker`) gets its job on standard input and tells one event per line. What it
tells goes into `run_event`; whether it should stop is asked every half second, even while it is silent.
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

from app.db import SessionFactory
from app.experiments.records import Recorder, RunOutcome, begin, training
from app.models import JobState
from training.config import TrainingJob
from training.events import Event, FailedEvent, FinishedEvent, parse_event

logger = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-m", "training.worker")

LOOK_EVERY_S: Final = 0.5
GRACE_S: Final = 10.0
"""Between the request to stop and the kill."""
SILENCE_S: Final = 300.0
"""A healthy run speaks every two seconds; loading PyTorch from a slow disk may take minutes."""
LAST_LINES: Final = 20
"""Lines of standard error that are kept to explain a crash."""

Stop = Callable[[], JobState | None]


@dataclass(frozen=True, slots=True)
class Watch:
    """How the child is run, and what is done about what happens to it.

    should_stop : the state that a stopped run gets (`aborted`, or `queued` to be resumed); None to go on
    on_event : told of every event once it is recorded
    devices : numbers of the devices that nobody else may use meanwhile
    cards : the graphics cards of this machine that those stand for; the child sees no others
    """

    should_stop: Stop = lambda: None
    on_event: Callable[[Event], None] = lambda _event: None
    devices: Sequence[int] = ()
    cards: Sequence[str] = ()
    command: Sequence[str] = COMMAND
    grace_s: float = GRACE_S
    silence_s: float = SILENCE_S


def supervise(sessions: SessionFactory, run_id: UUID, watch: Watch) -> JobState | None:
    """Train a run in a child process and record what it says; returns the state it ends in.

    A run that has ended already is left alone, and gives None.
    """
    with training(sessions, run_id, watch.devices, watch.cards):
        job = begin(sessions, run_id)
        if job is None:
            return None
        recorder = Recorder(sessions, run_id, job.out)
        with running(job, watch) as child:
            outcome = follow(child, watch, recorder)
        recorder.end(outcome)
    details = {"action": "run_ended", "run": run_id, "state": outcome.state, "error": outcome.error}
    logger.info("run ended", extra=details)
    return outcome.state


class Child:
    """A process whose lines arrive in a queue, so that waiting for one can be cut short."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: SimpleQueue[str | None] = SimpleQueue()
        self.last_words: deque[str] = deque(maxlen=LAST_LINES)
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 - both are pipes
        self._readers = [
            Thread(target=self._read_events, args=(process.stdout,), daemon=True),
            Thread(target=self.last_words.extend, args=(process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_events(self, stream: IO[str]) -> None:
        for line in stream:
            self.lines.put(line)
        self.lines.put(None)

    def line(self, *, timeout_s: float) -> str | None:
        """The next line, or None at the end; `Empty` when none comes in time."""
        return self.lines.get(timeout=timeout_s)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def exit_code(self) -> int:
        code = self.process.wait()
        for reader in self._readers:
            reader.join(timeout=1)
        return code

    def stop(self, *, grace_s: float) -> None:
        """Ask, wait, insist. The last checkpoint is on disk either way."""
        self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # and whatever it started
            self.process.wait()


@contextmanager
def running(job: TrainingJob, watch: Watch) -> Iterator[Child]:
    """The child, at work; whatever happens here, it does not outlive the block."""
    with subprocess.Popen(  # noqa: S603 - the command is ours
        watch.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | ({"CUDA_VISIBLE_DEVICES": ",".join(watch.cards)} if watch.cards else {}),
        start_new_session=True,  # Ctrl-C is for the parent, which then stops the child in order
    ) as process:
        child = Child(process)
        try:
            _hand_over(process, job)
            yield child
        finally:
            if child.is_alive:
                child.stop(grace_s=watch.grace_s)


def _hand_over(process: subprocess.Popen[str], job: TrainingJob) -> None:
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    try:
        process.stdin.write(job.model_dump_json())
        process.stdin.close()
    except BrokenPipeError:
        logger.warning("the child ended before it read its job", extra={"action": "child_gone"})


def follow(child: Child, watch: Watch, recorder: Recorder) -> RunOutcome:
    """Relay events until the child ends; make it end when it must stop or falls silent."""
    last: Event | None = None
    stopped: RunOutcome | None = None
    heard = time.monotonic()
    while True:
        if stopped is None and (stopped := _reason_to_stop(watch, heard)) is not None:
            child.stop(grace_s=watch.grace_s)
        try:
            line = child.line(timeout_s=LOOK_EVERY_S)
        except Empty:
            recorder.flush()
            if child.is_alive:
                continue
            line = None  # something it started still holds its output open
        if line is None:
            return verdict(last, child.exit_code(), child.last_words, stopped=stopped)
        heard = time.monotonic()
        last = _relay(line, watch, recorder) or last


def _reason_to_stop(watch: Watch, heard: float) -> RunOutcome | None:
    if (state := watch.should_stop()) is not None:
        return RunOutcome(state)
    if time.monotonic() - heard > watch.silence_s:
        return RunOutcome(JobState.FAILED, f"The training process said nothing for {watch.silence_s:g} s.")
    return None


def _relay(line: str, watch: Watch, recorder: Recorder) -> Event | None:
    try:
        event = parse_event(line)
    except ValueError:
        logger.warning("not an event", extra={"action": "not_an_event", "line": line[:200]})
        return None
    recorder.tell(event)
    watch.on_event(event)
    return event


def verdict(
    last: Event | None, exit_code: int, last_words: Sequence[str], *, stopped: RunOutcome | None = None
) -> RunOutcome:
    """What the last event, the exit code and a request to stop say together."""
    match last:
        case FinishedEvent(metrics=metrics):  # told when all is written, whatever came afterwards
            return RunOutcome(JobState.SUCCEEDED, metrics=metrics)
        case _ if stopped is not None:
            return stopped
        case FailedEvent(error=error):
            return RunOutcome(JobState.FAILED, error)
        case _:
            return RunOutcome(JobState.FAILED, _death(exit_code, last_words))


def _death(exit_code: int, last_words: Sequence[str]) -> str:
    if exit_code == -signal.SIGKILL:
        return (
            "The training process was killed (SIGKILL); most often the machine had run out of memory. "
            "A smaller batch needs less."
        )
    if exit_code < 0:
        return f"The training process was killed by {signal.Signals(-exit_code).name}."
    said = next((line.strip() for line in reversed(last_words) if line.strip()), "nothing")
    return f"The training process ended with exit code {exit_code}; its last words: {said}"
