"""Connections that are kept open, and what ends them."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from app.db import connect
from app.settings import Settings


@pytest.fixture
def engine(new_database) -> Iterator[Engine]:
    engine = connect(Settings(database_url=new_database(), _env_file=None), connections=1)
    yield engine
    engine.dispose()


@pytest.fixture
def other(engine) -> Iterator[Engine]:
    """Another program on the same database."""
    url = engine.url.render_as_string(hide_password=False)
    other = connect(Settings(database_url=url, _env_file=None))
    yield other
    other.dispose()


def who_serves(engine: Engine) -> int:
    """The process of the server at the other end of the one connection."""
    with engine.connect() as connection:
        return connection.scalar(text("SELECT pg_backend_pid()"))


def say(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


class TestKept:
    def test_the_same_serves_again(self, engine):
        assert who_serves(engine) == who_serves(engine)

    def test_one_that_the_server_ended_is_replaced(self, engine, other):
        ended = who_serves(engine)
        say(other, "SELECT pg_terminate_backend(:pid, 10000)", pid=ended)
        assert who_serves(engine) != ended

    def test_one_that_has_something_to_say_is_kept(self, engine, other):
        say(engine, "LISTEN hello")
        serving = who_serves(engine)
        say(other, "NOTIFY hello")
        assert who_serves(engine) == serving

    def test_what_is_not_ended_is_not_asked(self, engine, monkeypatch):
        who_serves(engine)
        asked: list[object] = []
        monkeypatch.setattr(engine.dialect, "do_ping", asked.append)
        who_serves(engine)
        assert asked == []
