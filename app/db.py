"""Connections, the schema, backups."""

import json
import os
import re
import subprocess
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from select import POLLIN, poll
from typing import Any, Final
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import (
    URL,
    Connection,
    Dialect,
    Engine,
    Row,
    Select,
    create_engine,
    event,
    func,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import InvalidatePoolError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app import embedded
from app.errors import AlreadyExists, BadInput, NotStorable, WrongState
from app.settings import Settings

SessionFactory = sessionmaker[Session]
AnySelect = Select[*tuple[Any, ...]]
AnyRow = Row[*tuple[Any, ...]]

DRIVER: Final = "postgresql+psycopg"

ROWS_AT_A_TIME: Final = 200

CONNECTIONS: Final = 20  # of a process that does not say how many

NO_CONNECTION_S: Final = 10.0
"""How long to wait for one that others use, before somebody is told to ask again."""

NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""As JSON writes it; after a backslash that is itself escaped it is six letters."""

MIGRATIONS: Final = Path(__file__).parents[1] / "migrations"


def database_url(settings: Settings) -> URL:
    """Where the database is; starts the embedded server when no other is configured."""
    if not settings.database_url:
        return embedded_url(settings.data_dir)
    url = make_url(settings.database_url)
    if not url.drivername.startswith("postgres"):
        raise BadInput(f"CYBORG_DATABASE_URL is of {url.drivername}; only PostgreSQL will do.")
    return url.set(drivername=DRIVER)


def embedded_url(data_dir: Path) -> URL:
    """Start PostgreSQL under `data_dir`, or join the one that runs there; it stops with its last user."""
    data_dir.mkdir(parents=True, exist_ok=True)
    socket = str(embedded.join(data_dir))
    return URL.create(DRIVER, embedded.SUPERUSER, database=embedded.SUPERUSER, query={"host": socket})


def connect(settings: Settings, *, connections: int = CONNECTIONS) -> Engine:
    """An engine with up to `connections`, which stay open."""
    url = database_url(settings)
    # Errors are logged, and the parameters of a statement may be somebody's worker id.
    engine = create_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=NO_CONNECTION_S,
        hide_parameters=True,
        json_serializer=to_json,
    )
    replace_when_ended(engine)
    if not settings.database_url:
        revive_when_gone(engine, settings.data_dir)
    return engine


def to_json(value: Any) -> str:
    """JSON as PostgreSQL takes it; `NotStorable` of a text or a number that it cannot hold."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()  # half of a surrogate pair has no bytes
    except ValueError:
        raise NotStorable from None
    if NUL.search(text):
        raise NotStorable
    return text


def replace_when_ended(engine: Engine) -> None:
    """Hand out no connection that the server has ended; what `pool_pre_ping` does, without its round trip.

    Between two transactions a server sends nothing unless it ends the connection.
    """

    @event.listens_for(engine, "checkout")
    def check(connection: Any, _record: Any, _fairy: Any) -> None:
        try:
            if has_input(connection.fileno()):
                engine.dialect.do_ping(connection)
        except psycopg.Error:
            raise InvalidatePoolError from None


def has_input(descriptor: int) -> bool:
    """Whether something waits to be read, the end of the connection included."""
    waiting = poll()
    waiting.register(descriptor, POLLIN)
    return bool(waiting.poll(0))


def revive_when_gone(engine: Engine, data_dir: Path) -> None:
    """Start the embedded server again when a new connection finds it gone."""

    @event.listens_for(engine, "do_connect")
    def connect(dialect: Dialect, _record: Any, args: list[Any], options: dict[str, Any]) -> Any:
        try:
            return dialect.connect(*args, **options)
        except psycopg.OperationalError:
            with suppress(embedded.DidNotStart):
                embedded.revive(data_dir)
            return dialect.connect(*args, **options)


def factory(engine: Engine) -> SessionFactory:
    return sessionmaker(engine, expire_on_commit=False)


def revisions() -> list[str]:
    """Every revision of the schema, the oldest first: what their files' names begin with."""
    return sorted(path.name.partition("_")[0] for path in MIGRATIONS.glob("versions/[0-9]*_*.py"))


def upgrade(engine: Engine) -> None:
    """Bring the schema to the newest revision; processes that start together wait for one another.

    `WrongState`: the schema is of a newer version of this program.
    """
    known = revisions()
    with engine.connect() as connection:
        current = _revision(connection)
    if current is not None and current not in known:
        raise WrongState(
            f"The database is of a newer version of Cyborg ({current}, not {known[-1]}): upgrade Cyborg."
        )
    if current != known[-1]:
        _migrate(engine)


def _revision(connection: Connection) -> str | None:
    """The schema's revision; None of an empty database."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _migrate(engine: Engine) -> None:
    from alembic import command  # a third of a second, which most starts need not pay
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('cyborg.migrate'))"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def snapshot(sessions: SessionFactory) -> Iterator[Session]:
    """A session in which every query sees the database as it was at the first one."""
    with sessions() as session:
        if isinstance(session.get_bind(), Engine):
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        yield session


@contextmanager
def named_locks(sessions: SessionFactory, refusals: Mapping[str, str]) -> Iterator[None]:
    """Hold locks by name while the block runs; PostgreSQL releases them when this process dies.

    No transaction is open meanwhile.

    refusals : for each name the sentence of `WrongState` when another process holds it
    """
    with sessions() as session:
        # A session of a caller's connection is in a transaction already, which AUTOCOMMIT would end.
        has_own_connection = isinstance(session.get_bind(), Engine)
        options = {"isolation_level": "AUTOCOMMIT"} if has_own_connection else {}
        connection = session.connection(execution_options=options)
        try:
            for name, refusal in refusals.items():
                if not connection.scalar(select(func.pg_try_advisory_lock(func.hashtextextended(name, 0)))):
                    raise WrongState(refusal)
            yield
        finally:
            with suppress(OperationalError):  # a server that is gone has released them
                connection.execute(select(func.pg_advisory_unlock_all()))
                session.commit()


def streamed(session: Session, query: AnySelect) -> Generator[AnyRow, None, None]:
    """Rows through a cursor of the server: memory does not grow with their number."""
    with session.execute(query, execution_options={"yield_per": ROWS_AT_A_TIME}) as rows:
        yield from rows


def conninfo(engine: Engine) -> str:
    """The same database in the form that libpq (and so the queue) reads."""
    return make_conninfo(**_libpq_options(engine.url))


def _libpq_options(url: URL) -> dict[str, Any]:
    return {**url.translate_connect_args(username="user", database="dbname"), **url.query}


def backup(engine: Engine, path: Path) -> None:
    """Everything in the database, as it is at one moment, in a file for `restore`; others go on working.

    `AlreadyExists`: the file is there. The file appears when it is whole.
    """
    if path.exists():
        raise AlreadyExists(f"{path} exists already; a backup is never written over another.")
    draft = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    try:
        _postgres(engine, "pg_dump", "--format=custom", "--no-owner", f"--file={draft}")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def restore(engine: Engine, path: Path) -> None:
    """Fill an empty database with what `backup` wrote, all or nothing.

    `WrongState`: there are tables in it.
    """
    with engine.connect() as connection:
        tables = connection.scalar(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
    if tables:
        raise WrongState(f"The database holds {tables} tables; a backup goes into an empty one.")
    options = ("--single-transaction", "--exit-on-error", "--no-owner")
    _postgres(engine, "pg_restore", *options, str(path))
    with engine.begin() as connection:
        # Without it the planner takes every table for small, and an export may run for hours.
        connection.execute(text("ANALYZE"))


def _postgres(engine: Engine, program: str, *arguments: str) -> None:
    """Run one of the programs that come with the embedded server on this database."""
    options = _libpq_options(engine.url)
    secret = {"PGPASSWORD": options.pop("password")} if "password" in options else {}  # not for `ps` to show
    done = subprocess.run(  # noqa: S603 - ours
        [embedded.programs() / program, f"--dbname={make_conninfo(**options)}", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | secret,
    )
    if done.returncode:
        raise OSError(f"{program}: {done.stderr.strip().partition(chr(10))[0]}")
