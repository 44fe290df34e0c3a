"""The server and the worker of a demonstration, as child processes."""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, Self

import httpx2

from app.errors import Unavailable
from app.settings import Settings

COMMAND: Final = (sys.executable, "-c", "from app.cli import run; run()")
READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 15.0
MOST_RUNS_AT_ONCE: Final = 4
"""Trainings at once on the cores of this machine."""


def free_port() -> int:
    """A free port for a server, reserved while this process runs.

    On Linux a bound socket that does not listen reserves the port, and a server can still listen on it. Other
    systems do not allow that, so the socket is closed there, and another program may take the port.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port = int(holder.getsockname()[1])
    atexit.register(holder.close)
    if sys.platform != "linux":
        holder.close()
    return port


class Children:
    """Child processes in sessions of their own: Ctrl-C reaches only the parent, which then stops them."""

    def __init__(self, settings: Settings, *, port: int, logs: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        cores = os.cpu_count() or 1
        self.devices = max(settings.devices, min(cores, MOST_RUNS_AT_ONCE))
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {
            **os.environ,
            "CYBORG_DATA_DIR": str(settings.data_dir.resolve()),
            "CYBORG_HOST": "127.0.0.1",
            "CYBORG_PORT": str(port),
            "CYBORG_PUBLIC_URL": self.url,
            "CYBORG_DEVICES": str(self.devices),
            # Runs share the cores. Threads of small networks that wait for each other on a busy machine
            # made training thirty times slower here.
            "OMP_NUM_THREADS": str(max(1, cores // self.devices)),
        }

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def serve(self) -> None:
        """Start the server; returns when it answers."""
        self.start("serve")
        deadline = time.monotonic() + READY_WITHIN_S
        with httpx2.Client(base_url=self.url, timeout=2) as client:  # a new one reads all certificates
            while time.monotonic() < deadline:
                self.check()
                try:
                    if client.get("/health").is_success:
                        return
                except httpx2.TransportError:
                    time.sleep(0.1)
        raise Unavailable(
            f"The server did not answer within {READY_WITHIN_S:.0f} s; see {self.log('serve')}."
        )

    def start(self, name: str) -> None:
        """Start `cyborg NAME` with its output in a log file."""
        with self.log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own command
                [*COMMAND, name], env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """`Unavailable` when a child has ended, with the last line of its log."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise Unavailable(
                    f"`cyborg {name}` ended with {process.returncode}: {last_line(self.log(name))}"
                )

    def stop(self) -> None:
        """Ask all children to end, the newest first, and kill those that do not."""
        for process in reversed(self._running.values()):
            process.terminate()
        for process in reversed(self._running.values()):
            try:
                process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


def is_free(port: int) -> bool:
    """Whether a server could listen on a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def last_line(path: Path) -> str:
    """The last line of a log, preferably an error message rather than a JSON log entry."""
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    lines_said = [line.strip() for line in lines if line.strip()]
    complaints = [line for line in lines_said if not line.startswith("{")]
    return next(reversed(complaints or lines_said), f"{path} is empty")


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt as Ctrl-C does, so that every `finally` runs and no child is left."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
