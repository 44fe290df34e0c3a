"""Keeps the PostgreSQL server of one data folder: starts it, restarts it when it dies, stops it in the end.

`app.embedded` starts this as a process of its own. It imports the standard library alone, so that it is small
and starts quickly. Every process that uses the server holds a shared lock on the file `users`; the kernel
releases the lock when the process ends. The keeper waits for an exclusive lock on that file, which it gets
when the last user is gone. While it runs it locks the file `keeper`, so there is never a second one.

Once it holds that lock it goes on in the background.

    python keeper.py LOCKS UID GID ADOPT POSTGRES ARGUMENT…

ADOPT is the process id of a server that runs already and has lost its keeper, or 0.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

QUICK_DEATH_S = 5.0
MAX_QUICK_DEATHS = 3
"""A server that dies so often within seconds of its start is not started again."""


class Orphan:
    """A running server that is no child of this process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def wait(self) -> None:
        while _is_alive(self.pid):
            time.sleep(0.2)

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie, whose parent has not yet read its exit code, does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # no /proc here
        return True
    return state not in "ZX"


Server = Orphan | subprocess.Popen[bytes]


class Keeper:
    def __init__(self, locks: Path, uid: int, gid: int, command: list[str]) -> None:
        self.locks = locks
        self.command = command
        self.identity: dict[str, Any] = {}
        if os.geteuid() != uid:
            self.identity = {"user": uid, "group": gid, "extra_groups": []}
        self.stopping = False
        self.turn = threading.RLock()
        self.server: Server | None = None

    def keep(self, orphan: Orphan | None) -> int:
        """Run the server until the last user is gone (returns 0) or it keeps dying at its start (1)."""
        threading.Thread(target=self._stop_after_last_user, daemon=True).start()
        signal.signal(signal.SIGTERM, lambda _number, _frame: self.stop())
        quick_deaths = 0
        while quick_deaths < MAX_QUICK_DEATHS and (server := self._start(orphan)):
            orphan, began = None, time.monotonic()
            server.wait()
            quick_deaths = quick_deaths + 1 if time.monotonic() - began < QUICK_DEATH_S else 0
        return 0 if self.stopping else 1

    def _start(self, orphan: Orphan | None) -> Server | None:
        with self.turn:
            if self.stopping:
                return None
            self.server = orphan or subprocess.Popen(self.command, **self.identity)  # noqa: S603 - ours
            return self.server

    def _stop_after_last_user(self) -> None:
        with (self.locks / "users").open("w") as users:
            fcntl.flock(users, fcntl.LOCK_EX)
            self.stop()
            # Held until this process ends: a process that joins now waits, and then starts a new server.
            threading.Event().wait()

    def stop(self) -> None:
        with self.turn:
            self.stopping = True
            if self.server is not None:
                self.server.send_signal(signal.SIGINT)  # to PostgreSQL: end every connection, then stop


def main(locks: str, uid: str, gid: str, adopt: str, *command: str) -> int:
    with (Path(locks) / "keeper").open("w") as keeper:
        try:
            fcntl.flock(keeper, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        if os.fork():
            return 0  # the caller goes on: a keeper runs now
        os.setsid()  # Ctrl+C in the terminal of one user does not stop it for all
        orphan = Orphan(int(adopt)) if int(adopt) else None
        return Keeper(Path(locks), int(uid), int(gid), list(command)).keep(orphan)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
