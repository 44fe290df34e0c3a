"""Start a training process and read what it writes. Importing this does not import torch.

The child (`python -m training.worker`) gets its job on standard input and writes one event per line.
"""

import logging
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import IO, Final

from training.config import TrainingJob

logger = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-m", "training.worker")

POLL_EVERY_S: Final = 0.5
GRACE_S: Final = 10.0
"""Between the request to stop and the kill."""
ERROR_LINES: Final = 20
"""Lines of standard error that are kept to explain a crash."""


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
def training_process(
    job: TrainingJob,
    *,
    command: Sequence[str] = COMMAND,
    environment: Mapping[str, str] | None = None,
    grace_s: float = GRACE_S,
) -> Iterator[TrainingProcess]:
    """The child process at work on the job; it ends with the block, even when the block raises.

    environment : variables that the child gets beside those of this process
    """
    with subprocess.Popen(  # noqa: S603 - the command is ours
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | dict(environment or {}),
        start_new_session=True,  # Ctrl-C is for the parent, which then stops the child in order
    ) as popen:
        process = TrainingProcess(popen)
        try:
            _send_job(popen, job)
            yield process
        finally:
            if process.is_alive:
                process.stop(grace_s=grace_s)


def _send_job(popen: subprocess.Popen[str], job: TrainingJob) -> None:
    assert popen.stdin is not None  # noqa: S101 - it is a pipe
    try:
        popen.stdin.write(job.model_dump_json())
        popen.stdin.close()
    except BrokenPipeError:
        logger.warning("the child ended before it read its job", extra={"action": "child_gone"})


def crash_message(exit_code: int, error_lines: Sequence[str]) -> str:
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
