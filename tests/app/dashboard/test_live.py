"""A study's page that follows: real streams of a real server."""

import socket
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import httpx2
import pytest
import uvicorn
from sqlalchemy import event, select

from app.accounts.service import change_role, close_session, open_session
from app.dashboard.studies import live
from app.db import connect, factory
from app.deps import SESSION_COOKIE
from app.main import create_app
from app.models import Role, Staff, StaffSession
from app.protocol import DeadlineProtocol
from tests.support.factories import SESSION_HOLDER, StaffFactory
from tests.support.worlds import Visitor, make_study

EVENTS = {"accept": "text/event-stream"}
PROMPTLY_S = 10.0
"""For what takes a tenth of a second, on a machine that is busy with other tests."""


class TestAStream:
    def test_it_brings_a_new_decision(self, site):
        with site.watching() as events:
            assert "decided, of 48" in next_numbers(events)
            site.decide()
            assert any('>1</span><span class="stat__label">decided' in one.data for one in events)

    def test_it_says_nothing_while_nothing_changes(self, site, monkeypatch):
        monkeypatch.setattr(live, "ALIVE_S", 0.3)
        with site.watching() as events:
            assert next(events).kind == "numbers"
            assert next(events).kind == "alive"

    def test_a_browser_that_comes_back_gets_only_what_is_new(self, site, monkeypatch):
        monkeypatch.setattr(live, "ALIVE_S", 0.3)
        with site.watching() as events:
            seen = next(events).id
        with site.watching({"last-event-id": seen}) as events:
            assert next(events).kind == "alive"

    def test_while_it_waits_it_holds_no_connection(self, site):
        with site.watching() as events:
            next_numbers(events)
            assert until(lambda: site.engine.pool.checkedout() == 0)

    def test_many_pages_ask_the_database_as_often_as_one(self, site):
        with site.watching() as one:
            next_numbers(one)
            alone = site.statements_of_a_round()
            with site.watching() as two, site.watching() as three:
                next_numbers(two), next_numbers(three)
                assert site.statements_of_a_round() == alone

    def test_too_many_are_told_to_ask(self, site, monkeypatch):
        monkeypatch.setattr(live, "MOST_WATCHERS", 0)
        assert httpx2.get(site.address, headers=site.cookie | EVENTS).status_code == 503


class TestItsEnd:
    def test_logging_out_ends_it(self, site):
        with site.watching() as events, site.sessions.begin() as session:
            next_numbers(events)
            close_session(session, site.token)
            session.commit()
            assert "ended" in {one.kind for one in events}

    def test_a_new_role_ends_it(self, site):
        with site.watching() as events:
            next_numbers(events)
            with site.sessions.begin() as session:
                staff = session.scalars(select(Staff)).one()
                change_role(session, staff, Role.VIEWER, by=Staff(id=0))
            assert "ended" in {one.kind for one in events}

    def test_a_login_that_lapses_ends_it(self, site):
        with site.watching() as events:
            next_numbers(events)
            with site.sessions.begin() as session:
                session.scalars(select(StaffSession)).one().expires_at -= timedelta(days=2)
            assert "ended" in {one.kind for one in events}

    def test_a_server_that_stops_waits_for_none(self, site):
        with site.watching() as events:
            next_numbers(events)
            began = time.monotonic()
            site.stop()
            assert time.monotonic() - began < PROMPTLY_S


class Site:
    """A web process with a study, and an editor who is logged in."""

    def __init__(self, settings, engine) -> None:
        self.settings, self.engine, self.sessions = settings, engine, factory(engine)
        with self.sessions() as session:
            SESSION_HOLDER["session"] = session
            study = make_study(session, pairs=6, judgements=2)
            self.token = open_session(session, StaffFactory(role=Role.EDITOR), lifetime=timedelta(days=1))
            session.commit()
            self.slug = study.slug
        SESSION_HOLDER.clear()
        app = create_app(settings, session_factory=self.sessions)
        app.state.numbers.interval_s = 0.05
        config = uvicorn.Config(app, http=DeadlineProtocol, log_config=None)
        self._server, self._socket = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.address = f"{self.url}/staff/studies/{self.slug}/live"
        self.cookie = {"cookie": f"{SESSION_COOKIE}={self.token}"}

    @contextmanager
    def watching(self, headers=()):
        """The events of a stream."""
        asked = self.cookie | EVENTS | dict(headers)
        with (
            httpx2.Client(timeout=PROMPTLY_S) as client,
            client.stream("GET", self.address, headers=asked) as answer,
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield events_of(answer.iter_lines())

    def decide(self) -> None:
        with httpx2.Client(base_url=self.url) as client:
            visitor = Visitor(client, self.slug)
            visitor.consent()
            assert visitor.decide(visitor.next().json()["trial"]["id"]).status_code == 200

    def statements_of_a_round(self) -> int:
        """Of the second round from now on, which is whole."""
        rounds: list[list[str]] = []

        def note(_connection, _cursor, statement, *_) -> None:
            if "staff_session" in statement:
                rounds.append([])
            if rounds:
                rounds[-1].append(statement)

        event.listen(self.engine, "before_cursor_execute", note)
        assert until(lambda: len(rounds) > 2)
        event.remove(self.engine, "before_cursor_execute", note)
        return len(rounds[1])

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


class Event(NamedTuple):
    kind: str
    id: str
    data: str


def events_of(lines):
    """Each event of a stream."""
    fields = {"event": [], "id": [], "data": []}
    for line in lines:
        name, _, value = line.partition(": ")
        fields.get(name, []).append(value)
        if not line and fields["event"]:
            yield Event(*("\n".join(fields[name]) for name in ("event", "id", "data")))
        if not line:
            fields = {"event": [], "id": [], "data": []}


def next_numbers(events) -> str:
    return next(one.data for one in events if one.kind == "numbers")


def until(condition) -> bool:
    limit = time.monotonic() + PROMPTLY_S
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def site(own_database, monkeypatch):
    monkeypatch.setattr(live, "REST", 0)
    settings, _ = own_database
    engine = connect(settings)
    site = Site(settings, engine)
    yield site
    site.stop()
    engine.dispose()
