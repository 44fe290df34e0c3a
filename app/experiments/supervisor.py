"""Train one run in a child process, and watch over that process.

Each event of the child becomes a row of `run_event`. Twice a second, even while the child is silent, the
supervisor asks whether the run has to stop.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty
from typing import Final
from uuid import UUID

from app.background import StopCheck
from app.db import SessionFactory
from app.experiments.records import Recorder, RunOutcome, begin_run, training_locks
from app.models import JobState
from training.events import Event, FailedEvent, FinishedEvent, parse_event
from training.process import (
    COMMAND,
    GRACE_S,
    POLL_EVERY_S,
    TrainingProcess,
    crash_message,
    training_process,
)

logger = logging.getLogger(__name__)

SILENCE_S: Final = 300.0
"""A healthy run writes every two seconds; loading PyTorch from a slow disk may take minutes."""


@dataclass(frozen=True, slots=True)
class SupervisorOptions:
    """How a training process is started and watched.

    should_stop : the state that a stopped run gets (`aborted`, or `queued` to be resumed); None to go on
    on_event : called with every event once it is recorded
    devices : numbers of the devices that no other run may use meanwhile
    cards : the graphics cards of this machine that those stand for; the process sees no others
    card_shares : what no other run may use of them meanwhile: a card, or one of its shares
    """

    should_stop: StopCheck = lambda: None
    on_event: Callable[[Event], None] = lambda _event: None
    devices: Sequence[int] = ()
    cards: Sequence[str] = ()
    card_shares: Sequence[str] = ()
    command: Sequence[str] = COMMAND
    grace_s: float = GRACE_S
    silence_s: float = SILENCE_S


def supervise(sessions: SessionFactory, run_id: UUID, options: SupervisorOptions) -> JobState | None:
    """Train a run in a child process and record its events; returns the state in which it ends.

    None for a run that has ended already, which is not trained again.
    """
    with training_locks(sessions, run_id, options.devices, options.card_shares):
        job = begin_run(sessions, run_id)
        if job is None:
            return None
        recorder = Recorder(sessions, run_id, job.out)
        environment = {"CUDA_VISIBLE_DEVICES": ",".join(options.cards)} if options.cards else {}
        with training_process(
            job, command=options.command, environment=environment, grace_s=options.grace_s
        ) as process:
            outcome = relay_events(process, options, recorder)
        recorder.end_run(outcome)
    details = {"action": "run_ended", "run": run_id, "state": outcome.state, "error": outcome.error}
    logger.info("run ended", extra=details)
    return outcome.state


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
            return RunOutcome(JobState.FAILED, crash_message(exit_code, error_lines))
