"""A real PostgreSQL server for the whole run; real transactions that leave nothing behind."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from app import embedded
from app.db import SessionFactory, connect, embedded_url, factory, upgrade
from app.settings import Settings
from app.storage import BlobStore

LONGEST = ("e2e", "training", "app")
"""Folders whose files take longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest first: of several processes, none ends alone with a file of minutes."""
    items.sort(key=lambda item: [folder not in item.path.parts for folder in LONGEST])


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A folder that the database's own user may enter; pytest closes its own to everybody else."""
    folder = Path(tempfile.mkdtemp(prefix="cyborg-tests-"))
    folder.chmod(0o755)
    yield folder
    embedded.leave(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_url(server_dir: Path) -> str:
    """An embedded server of its own, without the disk flushes that a test run does not need."""
    url = embedded_url(server_dir)
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # Nothing here outlives the run; and vacuuming visits every database that a test left behind.
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "autovacuum"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("ALTER SYSTEM SET max_connections = 200"))
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text("CREATE DATABASE template_cyborg"))
    engine.dispose()
    template = create_engine(url.set(database="template_cyborg"))
    upgrade(template)
    template.dispose()
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def new_database(server_url: str):
    """Make a database with the product's schema, or like another template; returns its URL."""
    counter = iter(range(10_000))

    def make(template: str = "template_cyborg") -> str:
        name = f"test_{next(counter)}"
        admin = create_engine(server_url, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        admin.dispose()
        return server_url.replace("/postgres?", f"/{name}?", 1)

    return make


@pytest.fixture(scope="session")
def engine(new_database) -> Iterator[Engine]:
    engine = connect(Settings(database_url=new_database(), _env_file=None))
    yield engine
    engine.dispose()


@contextmanager
def transaction_to_forget(engine: Engine) -> Iterator[SessionFactory]:
    """Real commits inside a transaction that is thrown away: tests run the production unit of work."""
    with engine.connect() as connection, connection.begin() as outer:
        yield transaction_sessions(connection)
        outer.rollback()


def transaction_sessions(connection: Connection) -> SessionFactory:
    """Sessions whose commits are savepoints of the transaction that a connection is in."""
    return sessionmaker(connection, expire_on_commit=False, join_transaction_mode="create_savepoint")


@pytest.fixture
def session_factory(engine: Engine) -> Iterator[SessionFactory]:
    with transaction_to_forget(engine) as sessions:
        yield sessions


@pytest.fixture
def db(session_factory: SessionFactory) -> Iterator[Session]:
    with session_factory() as session:
        yield session


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", enrolments_per_minute=10_000, _env_file=None)


@pytest.fixture
def blobs(settings: Settings) -> BlobStore:
    return BlobStore(settings.blobs_url)


@pytest.fixture
def own_database(new_database, tmp_path: Path) -> Iterator[tuple[Settings, SessionFactory]]:
    """A database of one's own, for what a rolled-back transaction cannot show: threads, queues, kills."""
    with database_of(new_database(), tmp_path / "data") as made:
        yield made


@contextmanager
def database_of(url: str, data_dir: Path) -> Iterator[tuple[Settings, SessionFactory]]:
    """Settings of a database and its sessions."""
    settings = Settings(data_dir=data_dir, database_url=url, enrolments_per_minute=10_000, _env_file=None)
    engine = connect(settings)
    yield settings, factory(engine)
    engine.dispose()
