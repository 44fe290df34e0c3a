"""The embedded server is there while somebody needs it, and not longer. Real processes, really killed."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import Engine, text

from app import embedded
from app.db import connect
from app.keeper import Orphan
from app.settings import Settings
from app.storage import BlobStore

USER = """\
import sys, time
from pathlib import Path
from app import embedded
embedded.join(Path(sys.argv[1]))
print("joined", flush=True)
time.sleep(600)
"""

NAMES = {
    "odd": "it's my project 100%20 Zoë 日本",
    "comma": 'a,b "c"',
    "long": "p" * 120,  # no Unix socket has so long a path
}


class TestAFolderOfAnyName:
    @pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
    def test_it_holds_a_database_and_blobs(self, folder, name):
        settings = Settings(data_dir=folder / name / "data", _env_file=None)
        engine = connect(settings)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        engine.dispose()
        embedded.leave(settings.data_dir)
        blobs = BlobStore(settings.blobs_url)
        assert blobs.get(blobs.put(b"a face")) == b"a face"
        found = {path.name for path in settings.data_dir.iterdir()}
        assert found == {"postgres", "postgres-server", "blobs"}


class TestTheLastUser:
    def test_who_leaves_last_comes_back_when_the_server_has_stopped(self, data_dir):
        embedded.join(data_dir)
        embedded.leave(data_dir)
        assert not is_there(data_dir)

    def test_who_leaves_others_behind_leaves_the_server_too(self, data_dir, joined):
        embedded.join(data_dir)
        embedded.leave(data_dir)
        assert postmaster(data_dir).is_running()

    def test_the_server_ends_with_a_process_that_was_killed(self, data_dir, joined):
        server = postmaster(data_dir)
        joined.kill()
        server.wait(30)
        assert not server.is_running()

    def test_one_that_was_killed_is_not_counted(self, data_dir, joined):
        embedded.join(data_dir)
        end(joined)
        embedded.leave(data_dir)
        assert not is_there(data_dir)

    def test_a_command_that_is_terminated_leaves_no_server(self, data_dir):
        command = [sys.executable, "-c", "from app.cli import run; run()", "worker"]
        environment = os.environ | {"CYBORG_DATA_DIR": str(data_dir), "CYBORG_DATABASE_URL": ""}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as worker:
            assert any("worker started" in line for line in worker.stderr)
            server = postmaster(data_dir)
            worker.terminate()
        server.wait(30)


class TestSeveralAtOnce:
    def test_all_get_the_same_new_server(self, data_dir):
        users = [start_user(data_dir) for _ in range(4)]
        for user in users:
            await_join(user)
        server = postmaster(data_dir)
        assert all(user.poll() is None for user in users)
        for user in users:
            end(user)
        server.wait(30)

    def test_one_killed_while_it_makes_the_database_leaves_no_half_of_one(self, data_dir):
        maker = start_user(data_dir)
        while not list(data_dir.glob("postgres.*.partial")):
            assert maker.poll() is None
        end(maker)
        assert answers(data_dir)
        assert not list(data_dir.glob("postgres.*.partial"))


class TestAServerThatIsGone:
    @pytest.fixture
    def engine(self, data_dir) -> Iterator[Engine]:
        engine = connect(Settings(data_dir=data_dir, _env_file=None))
        yield engine
        engine.dispose()

    def test_it_comes_back_by_itself(self, data_dir, joined, engine):
        server = postmaster(data_dir)
        server.kill()
        server.wait()
        embedded.join(data_dir)  # returns when it answers
        assert postmaster(data_dir).pid != server.pid
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1

    def test_a_new_connection_brings_it_back_with_its_keeper(self, data_dir, engine):
        server = postmaster(data_dir)
        for process in (server.parent(), server):
            process.kill()
        server.wait()
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1

    def test_one_without_its_keeper_is_taken_over(self, data_dir, joined):
        server = postmaster(data_dir)
        kill(server.parent())
        embedded.join(data_dir)
        assert postmaster(data_dir) == server
        end(joined)
        embedded.leave(data_dir)
        assert not is_there(data_dir)
        server.wait(30)

    def test_one_whose_keeper_is_killed_while_it_is_left_is_stopped(self, data_dir):
        embedded.join(data_dir)
        keeper = postmaster(data_dir).parent()
        keeper.suspend()
        threading.Timer(0.5, keeper.kill).start()
        embedded.leave(data_dir)
        assert not is_there(data_dir)

    def test_one_that_has_lost_its_keeper_has_stopped_when_who_leaves_last_comes_back(self, data_dir):
        embedded.join(data_dir)
        kill(postmaster(data_dir).parent())
        embedded.leave(data_dir)
        assert not is_there(data_dir)

    def test_one_that_ended_unnoticed_by_its_parent_is_waited_for_no_longer(self):
        with subprocess.Popen(["true"], stdout=subprocess.PIPE) as ended:
            ended.stdout.read()
            waiting = threading.Thread(target=Orphan(ended.pid).wait, daemon=True)
            waiting.start()
            waiting.join(20)
            assert not waiting.is_alive()

    def test_one_that_cannot_start_is_told_in_one_sentence(self, data_dir):
        assert answers(data_dir)
        embedded.leave(data_dir)
        (data_dir / "postgres" / "postgresql.conf").write_text("no_such_setting = 1\n")
        with pytest.raises(embedded.DidNotStart, match=r"did not start: .*configuration file"):
            embedded.join(data_dir)

    def test_one_of_another_version_is_told_in_one_sentence(self, data_dir):
        assert answers(data_dir)
        embedded.leave(data_dir)
        (data_dir / "postgres" / "PG_VERSION").write_text("16\n")
        with pytest.raises(embedded.DidNotStart, match="belongs to PostgreSQL 16; this is 18"):
            embedded.join(data_dir)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own: the server may run as another account, who may not enter that."""
    made = Path(tempfile.mkdtemp(prefix="cyborg-tests-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def data_dir(folder) -> Iterator[Path]:
    made = folder / "data"
    made.mkdir()
    yield made
    embedded.leave(made)


@pytest.fixture
def joined(data_dir) -> Iterator[subprocess.Popen]:
    """Another process that uses the server."""
    user = start_user(data_dir)
    await_join(user)
    yield user
    end(user)


def start_user(data_dir: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", USER, str(data_dir)], stdout=subprocess.PIPE, text=True)


def await_join(user: subprocess.Popen) -> None:
    assert user.stdout.readline() == "joined\n"


def end(user: subprocess.Popen) -> None:
    with user:
        user.kill()


def kill(process: psutil.Process) -> None:
    process.kill()
    process.wait(30)


def is_there(data_dir: Path) -> bool:
    """PostgreSQL's own sign of a server: it makes this file first and takes it away last."""
    return (data_dir / "postgres" / "postmaster.pid").exists()


def postmaster(data_dir: Path) -> psutil.Process:
    return psutil.Process(int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0]))


def answers(data_dir: Path) -> bool:
    engine = connect(Settings(data_dir=data_dir, _env_file=None))
    with engine.connect() as connection:
        found = connection.scalar(text("SELECT 1")) == 1
    engine.dispose()
    return found
