"""An acknowledged decision is there after a real process was really killed."""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import psutil
import pytest
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.orm import Session

from app import embedded
from app.db import database_url
from app.models import Decision
from app.settings import Settings
from tests.support.factories import SESSION_HOLDER
from tests.support.processes import Installation
from tests.support.worlds import Visitor, make_study

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def engine(installation: Installation) -> Iterator[Engine]:
    installation.do("db", "upgrade")
    settings = Settings(data_dir=installation.data_dir, _env_file=None)
    engine = create_engine(database_url(settings), pool_pre_ping=True)
    yield engine
    engine.dispose()


@pytest.fixture
def study(engine: Engine) -> str:
    with Session(engine) as session:
        SESSION_HOLDER["session"] = session
        return make_study(session, pairs=30, judgements=10, trials=30, arms=(True,)).slug


@pytest.fixture
def server(installation: Installation) -> Iterator[subprocess.Popen]:
    yield installation.serve()
    for process in installation.processes:  # a test may have started another one
        process.kill()
        process.wait()


def work(url: str, study: str, acknowledged: list[str]) -> None:
    """Take part until the server is gone, remembering what it acknowledged."""
    with httpx2.Client(base_url=url, timeout=5) as client:
        visitor = Visitor(client, study)
        try:
            visitor.consent()
            while "trial" in (answer := visitor.next().json()):
                trial = answer["trial"]["id"]
                if visitor.decide(trial).status_code == 200:
                    acknowledged.append(trial)
        except httpx2.TransportError:
            return


def crash_while_working(url: str, study: str, crash: Callable[[], object]) -> set[str]:
    """Eight people at work, a crash in the middle; the trials whose decisions were acknowledged."""
    acknowledged: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(work, url, study, acknowledged)
        while len(acknowledged) < 40:
            time.sleep(0.01)
        crash()
    return set(acknowledged)


def recorded(engine: Engine) -> list[str]:
    with Session(engine) as session:
        return [str(trial) for trial in session.scalars(select(Decision.trial_id))]


def restart_database(installation: Installation) -> None:
    """Stop PostgreSQL as a power cut would; its keeper starts it again."""
    postmaster = psutil.Process(
        int((installation.data_dir / "postgres/postmaster.pid").read_text().split()[0])
    )
    postmaster.send_signal(signal.SIGQUIT)
    postmaster.wait(20)
    embedded.join(installation.data_dir)  # returns when it answers


class TestStart:
    def test_it_says_in_one_line_where_it_is_and_logs_for_machines(self, installation, server):
        first, *others = (installation.data_dir.parent / "serve.log").read_text().splitlines()
        assert first.startswith(f"Cyborg is at {installation.url} ")
        assert all(json.loads(line)["message"] for line in others)

    def test_a_port_that_is_taken_is_told_in_one_sentence(self, installation, server):
        second = installation.run("serve", check=False)
        assert second.returncode == 1
        said = f"cyborg: Cannot listen on port {installation.port} of 127.0.0.1: Address already in use.\n"
        assert second.stderr == said


class TestKill:
    def test_every_acknowledged_decision_survives_the_servers_death(
        self, installation, engine, study, server
    ):
        acknowledged = crash_while_working(installation.url, study, server.kill)
        assert acknowledged <= set(recorded(engine))
        assert len(set(recorded(engine))) == len(recorded(engine))

    def test_a_participant_goes_on_after_the_restart(self, installation, engine, study, server):
        with httpx2.Client(base_url=installation.url) as client:
            visitor = Visitor(client, study)
            visitor.consent()
            shown = visitor.next().json()["trial"]["id"]
            server.kill()
            server.wait()
            installation.serve()
            assert visitor.next().json()["trial"]["id"] == shown
            assert visitor.decide(shown).status_code == 200

    def test_a_database_that_restarts_loses_nothing_and_is_found_again(
        self, installation, engine, study, server
    ):
        acknowledged = crash_while_working(installation.url, study, lambda: restart_database(installation))
        assert acknowledged <= set(recorded(engine))
        with httpx2.Client(base_url=installation.url) as client:
            assert Visitor(client, study).consent().status_code == 201
