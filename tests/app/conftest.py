"""The application over the test's own transaction, and rows that every query must know to leave out."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import Engine
from starlette.routing import BaseRoute

from app.accounts import service
from app.accounts.service import open_session
from app.db import SessionFactory, connect, factory
from app.deps import SESSION_COOKIE
from app.main import build_routes, create_app
from app.models import Role
from app.security import NO_PASSWORDS_HASH, passwords
from app.settings import Settings
from tests.conftest import transaction_to_forget
from tests.support import factories
from tests.support.local_prolific import LocalProlific, serving


@pytest.fixture(autouse=True)
def rows(request: pytest.FixtureRequest) -> Iterator[None]:
    """Point the factories at the test's session, where it has one."""
    if "db" in request.fixturenames:
        factories.SESSION_HOLDER["session"] = request.getfixturevalue("db")
    yield
    factories.SESSION_HOLDER.clear()


@pytest.fixture(scope="session", autouse=True)
def cheap_passwords() -> Iterator[None]:
    """Hashing a password takes .2 s of a core, by design; in tests next to nothing."""
    hasher = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        hash_by(hasher, patch, no_passwords_hash=hasher.hash("nobody's"))
        yield


@pytest.fixture
def dear_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords cost what they cost in the product."""
    hash_by(Argon2Hasher(), monkeypatch, no_passwords_hash=NO_PASSWORDS_HASH)


def hash_by(hasher: Argon2Hasher, patch: pytest.MonkeyPatch, *, no_passwords_hash: str) -> None:
    patch.setattr(passwords, "hashers", (hasher,))
    patch.setattr(passwords, "current_hasher", hasher)
    patch.setattr(service, "NO_PASSWORDS_HASH", no_passwords_hash)


@pytest.fixture(scope="session")
def strangers_prolific() -> Iterator[str]:
    """The address of a Prolific that knows no token of ours: no test reaches the real one."""
    with serving(LocalProlific(token="nobody's")) as url:
        yield url


@pytest.fixture
def settings(settings: Settings, strangers_prolific: str) -> Settings:
    return settings.model_copy(update={"prolific_url": strangers_prolific})


@pytest.fixture(scope="session")
def noisy_engine(new_database) -> Iterator[Engine]:
    """A database with an unrelated study, a participant and an annotation in it."""
    engine = connect(Settings(database_url=new_database(), _env_file=None))
    with factory(engine)() as session:
        factories.SESSION_HOLDER["session"] = session
        factories.StrokeFactory()
    yield engine
    engine.dispose()


@pytest.fixture
def noise() -> None:
    """The test's database holds rows of another study: a query without its WHERE fails."""


@pytest.fixture
def session_factory(request: pytest.FixtureRequest) -> Iterator[SessionFactory]:
    name = "noisy_engine" if "noise" in request.fixturenames else "engine"
    with transaction_to_forget(request.getfixturevalue(name)) as sessions:
        yield sessions


@pytest.fixture(scope="session")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[BaseRoute]:
    """The routes of every application, built once: that takes longer than most requests."""
    application = create_app(Settings(data_dir=tmp_path_factory.mktemp("routes"), _env_file=None))
    build_routes(application)
    return application.router.routes


@pytest.fixture(scope="session")
def application(routes: list[BaseRoute]) -> Callable[[Settings, SessionFactory], FastAPI]:
    """Make the application over some settings and sessions, with the routes that are built already."""

    def make(settings: Settings, sessions: SessionFactory) -> FastAPI:
        made = create_app(settings, session_factory=sessions)
        made.router.routes[:] = routes
        return made

    return make


@pytest.fixture
def client(settings: Settings, session_factory: SessionFactory, application) -> Iterator[TestClient]:
    made = application(settings, session_factory)
    with TestClient(made, base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
        yield client


@pytest.fixture
def log_in(client: TestClient, db):
    """Make `client` the browser of a new staff member with a role."""

    def become(role: Role) -> TestClient:
        person = factories.StaffFactory(role=role)
        client.cookies[SESSION_COOKIE] = open_session(db, person, lifetime=timedelta(hours=1))
        client.headers["accept"] = "text/html"
        db.commit()
        return client

    return become


@pytest.fixture
def editor(log_in) -> TestClient:
    """The browser of an editor."""
    return log_in(Role.EDITOR)


@pytest.fixture
def viewer(log_in) -> TestClient:
    """The browser of a viewer."""
    return log_in(Role.VIEWER)
