"""The product as its operators start it: real processes, a real port, a folder of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from typer.testing import CliRunner

from app import embedded
from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from app.demo.children import free_port

COMMAND = [sys.executable, "-c", "from app.cli import run; run()"]
START_S = 120.0
"""A server loads for three CPU seconds, on a machine where other tests run."""


@dataclass
class Installation:
    """A data folder and the processes that run on it."""

    data_dir: Path
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen] = field(default_factory=list)
    extra: dict[str, str] = field(default_factory=dict)
    """Environment variables beyond the usual ones."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CYBORG_")}
        return kept | {
            "CYBORG_DATA_DIR": str(self.data_dir),
            "CYBORG_PORT": str(self.port),
            "CYBORG_PUBLIC_URL": self.url,
            "CYBORG_ENROLMENTS_PER_MINUTE": "10000",
            **self.extra,
        }

    def run(self, *arguments: str, check: bool = True, **options) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            **options,
        )
        if check and done.returncode:
            raise AssertionError(f"cyborg {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def do(self, *arguments: str, text: str = "") -> str:
        """What a command says that is run in this process, where starting one is not the point."""
        done = CliRunner().invoke(app, list(arguments), input=text, env=self.environment)
        if done.exception:
            raise AssertionError(f"cyborg {' '.join(arguments)}: {done.output}") from done.exception
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen:
        with (self.data_dir.parent / f"{arguments[0]}.log").open("ab") as log:
            process = subprocess.Popen([*COMMAND, *arguments], env=self.environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def serve(self) -> subprocess.Popen:
        process = self.start("serve")
        self._wait_until_healthy(process)
        return process

    def _wait_until_healthy(self, process: subprocess.Popen) -> None:
        deadline = time.monotonic() + START_S
        with httpx2.Client(base_url=self.url, timeout=2) as client:  # a new one reads all certificates
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    if client.get("/health").is_success:
                        return
                except httpx2.TransportError:
                    pass
                time.sleep(0.1)
        raise AssertionError((self.data_dir.parent / "serve.log").read_text())

    def stop(self) -> None:
        died = [process for process in self.processes if process.poll() not in (None, -signal.SIGKILL)]
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
        embedded.leave(self.data_dir)
        if died:
            raise AssertionError("".join(log.read_text() for log in self.data_dir.parent.glob("*.log")))


def chromium(*, whole: bool = False) -> dict[str, Any]:
    """Launch options for the Chromium that this machine has, or for playwright's own.

    `chromium-headless-shell` is the same engine without the window around it, at half the CPU time. It reads
    no settings of a user: `whole` asks for the browser that does.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    candidates = (os.environ.get("CYBORG_CHROMIUM"), *(() if whole else ("chromium-headless-shell",)), *names)
    found = next((path for name in candidates if name and (path := shutil.which(name))), None)
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    own = {"channel": "chromium"} if whole else {}
    return {"args": arguments, "headless": True} | ({"executable_path": found} if found else own)
