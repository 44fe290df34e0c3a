"""One run in a process of its own: `python -m training.worker < job.json > events.jsonl`.

Standard input holds one job as JSON; standard output gets one event per line, at least every two seconds,
and nothing else; standard error gets what libraries print. Exit codes: 0 finished, 1 the user can mend it
(the last event, `failed`, says how), 2 the job cannot be read, 3 out of memory, 4 a bug, 143 stopped by
SIGTERM.

SIGTERM ends the process at once, whatever it computes: checkpoints are written in one move, so the last
complete epoch is there to go on from.

A job for several devices turns this process into torchrun, which starts one such worker for each. Only the
first of them speaks, but each may say why it failed. No worker outlives the process that started it, however
that one ended.
"""

import os
import signal
import sys
import threading
import time
import traceback
from typing import Final, TextIO

from pydantic import ValidationError

from training.config import Job, explain
from training.errors import TrainingError, in_words
from training.events import HEARTBEAT_S, Event, Failed, Heartbeat

FINISHED, MENDABLE, BAD_JOB, OUT_OF_MEMORY, BUG, STOPPED = 0, 1, 2, 3, 4, 143

SILENCE_S: Final = HEARTBEAT_S / 2

RANK: Final = "RANK"
"""Set by torchrun: the number of a process among several."""

JOB: Final = "CYBORG_JOB"
"""What the process before torchrun has read from its standard input."""


class Mouth:
    """Writes events to a stream, and a heartbeat whenever nothing else has been said for a while."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._spoke = 0.0
        self._doing = "load"

    def say(self, event: Event) -> None:
        """One line, at once."""
        with self._lock:
            self._stream.write(event.line() + "\n")
            self._stream.flush()
            self._spoke = time.monotonic()
            self._doing = {"started": "train", "evaluated": "write"}.get(event.kind, self._doing)

    def beat(self) -> None:
        """Speak up for work that takes longer than a healthy run may be silent; end with who listens."""
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(SILENCE_S / 4)
            if _speaks() and time.monotonic() - self._spoke >= SILENCE_S:
                try:
                    self.say(Heartbeat(doing=self._doing))
                except BrokenPipeError:
                    break
        os._exit(STOPPED)


def main(text: bytes) -> int:
    """Do the job, tell it."""
    mouth = Mouth(_only_events_on_stdout())
    try:
        job = Job.model_validate_json(text)
    except ValidationError as error:
        mouth.say(Failed(error=f"The job cannot be read: {explain(error)}"))
        return BAD_JOB
    threading.Thread(target=mouth.beat, daemon=True).start()
    try:
        from training.run import perform

        for event in perform(job):
            if _speaks():
                mouth.say(event)
    except TrainingError as error:
        mouth.say(Failed(error=str(error)))
        return OUT_OF_MEMORY if type(error).__name__ == "OutOfMemory" else MENDABLE
    except Exception as error:  # noqa: BLE001 - the parent must hear of it before the process ends
        traceback.print_exc()
        mouth.say(Failed(error=in_words(error)))
        return BUG
    return FINISHED


def _speaks() -> bool:
    """One process, or the first of several."""
    return os.environ.get(RANK, "0") == "0"


def _read_job() -> bytes:
    """The job of standard input, or what the process before torchrun has read there."""
    return os.environ[JOB].encode() if JOB in os.environ else sys.stdin.buffer.read()


def _become_torchrun(text: bytes) -> None:
    """Start one worker per device, if the job asks for several; this process is torchrun from then on."""
    try:
        devices = Job.model_validate_json(text).run.devices
    except ValidationError:
        return  # said later, in an event
    if devices == 1 or RANK in os.environ:
        return
    os.environ[JOB] = text.decode()
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(devices))
    os.execv(sys.executable, (sys.executable, *torchrun, "-m", "training.worker"))  # noqa: S606


def _only_events_on_stdout() -> TextIO:
    """Keep the real standard output for events; whatever a library prints goes to standard error."""
    events = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return events


def _exit_on_sigterm() -> None:
    """A thread waits for the signal, because Python's own handlers wait for the main thread's computation."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        signal.sigwait({signal.SIGTERM})
        os._exit(STOPPED)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    asked = _read_job()
    _become_torchrun(asked)
    _exit_on_sigterm()
    code = main(asked)
    sys.stderr.flush()
    # Threads of libraries may still run; what is written is written.
    os._exit(code)
