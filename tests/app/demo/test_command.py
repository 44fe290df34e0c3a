"""`cyborg demo` and `cyborg simulate` as they are typed, and the processes that they start."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from app.cli import (
    app,
    commands,  # noqa: F401 - registers the commands
)
from app.demo.chain import demo_login, demo_staff
from app.demo.children import Children, free_port, is_free, last_line, terminated_like_interrupted
from app.demo.detectors import demo_recipe
from app.demo.stages import Stages
from app.errors import AppError, Unavailable
from app.settings import Settings


class TestStages:
    def test_each_is_named_and_timed(self):
        stages = Stages(Console(quiet=True))
        with stages.stage("Draw faces") as stage:
            stage.summary = "300 faces"
        assert [(done.title, done.summary) for done in stages.finished] == [("Draw faces", "300 faces")]
        assert stages.finished[0].seconds >= 0

    def test_whatever_goes_wrong_becomes_one_sentence_that_names_the_step(self):
        stages = Stages(Console(quiet=True))
        with pytest.raises(AppError, match=r"^Draw faces: the disk is full$"), stages.stage("Draw faces"):
            raise OSError("the disk\n is full")
        assert not stages.finished

    def test_ctrl_c_is_not_a_failure(self):
        with pytest.raises(KeyboardInterrupt), Stages(Console(quiet=True)).stage("Draw faces"):
            raise KeyboardInterrupt


class TestRecipe:
    def test_people_s_maps_are_compared_with_none_and_with_controls_over_several_seeds(self):
        runs = demo_recipe().runs()
        assert {(run.objective.name, run.maps) for run in runs} == {
            ("cross_entropy", "human"),
            ("cyborg", "human"),
            ("cyborg", "shuffled"),
            ("cyborg", "ellipse"),
        }
        assert len({run.seed for run in runs}) > 2
        assert {run.architecture for run in runs} == {"cyborg_tiny"}


class TestStaff:
    def test_one_account_owns_all_demonstrations(self, db):
        assert demo_staff(db).id == demo_staff(db).id

    def test_its_link_logs_in(self, client, session_factory):
        page = client.get(demo_login(session_factory))
        assert page.status_code == 200


class TestChildren:
    def test_one_that_ends_by_itself_is_noticed_with_what_it_said(self, settings: Settings, tmp_path: Path):
        with Children(settings, port=free_port(), logs=tmp_path) as children:
            children.start("nonsense")
            children._running["nonsense"].wait(60)
            with pytest.raises(Unavailable, match="`cyborg nonsense` ended with 2"):
                children.check()

    def test_none_outlives_the_block(self, settings: Settings, tmp_path: Path):
        with Children(settings, port=free_port(), logs=tmp_path) as children:
            children.start("worker")
            process = children._running["worker"]
        assert process.poll() is not None

    def test_a_complaint_is_told_rather_than_a_log_entry(self, tmp_path: Path):
        (tmp_path / "x.log").write_text('{"level": "info"}\nNameError: no\n{"level": "info"}\n\n')
        assert last_line(tmp_path / "x.log") == "NameError: no"

    def test_an_empty_log_is_called_empty(self, tmp_path: Path):
        assert last_line(tmp_path / "x.log").endswith("is empty")

    def test_a_port_in_use_is_not_free(self):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            held.listen()
            assert not is_free(held.getsockname()[1])
        assert is_free(free_port())

    @pytest.mark.skipif(sys.platform != "linux", reason="other systems let nobody listen on a held port")
    def test_a_free_port_is_given_to_nobody_else_until_a_server_listens(self):
        address = ("127.0.0.1", free_port())
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(address)
        for _ in range(2):  # one that stops may come back
            with socket.create_server(address) as server, socket.create_connection(address):
                server.accept()[0].close()

    def test_sigterm_ends_like_ctrl_c(self):
        with pytest.raises(KeyboardInterrupt), terminated_like_interrupted():
            os.kill(os.getpid(), signal.SIGTERM)


class TestCommands:
    @pytest.mark.parametrize("command", ["demo", "simulate"])
    def test_they_explain_themselves(self, command: str):
        answer = CliRunner().invoke(app, [command, "--help"])
        assert answer.exit_code == 0
        assert "simulated participants" in " ".join(answer.output.split())


@pytest.mark.slow
@pytest.mark.timeout(3600)
class TestDemo:
    """Drawn faces, few participants, everything else as `make demo` does it."""

    def test_it_runs_twice_in_one_folder_and_leaves_nothing_running(self, tmp_path: Path):
        for slug in ("demo", "demo-2"):
            done = cyborg(tmp_path, "demo", "--no-serve", "--participants", "6", "--faces", "48")
            assert done.returncode == 0, done.stderr
            assert f"{slug}: " in done.stdout
            assert all(name in done.stdout for name in ("cross_entropy", "cyborg_shuffled", "cyborg_ellipse"))
            assert "It says nothing about people" in " ".join(done.stdout.split())
        assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()

    def test_maps_help_in_the_drawn_world_and_shuffled_ones_do_not(self, tmp_path: Path):
        """The order that docs/simulation.md expects."""
        done = cyborg(tmp_path, "demo", "--no-serve")
        told = " ".join(done.stdout.split())
        assert "As expected in this drawn world: maps of what was painted gain +" in told, told

    def test_a_failing_step_is_one_line_and_exit_code_1(self, tmp_path: Path):
        (tmp_path / "m.csv").write_text("path,label,source\nnone.png,real,p\n")
        done = cyborg(tmp_path, "demo", "--no-serve", "--images", str(tmp_path / "m.csv"))
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)

    def test_simulate_refuses_a_study_that_is_not_there(self, tmp_path: Path):
        done = cyborg(tmp_path, "simulate", "nothing")
        assert done.returncode == 1
        assert done.stderr == "cyborg: There is no study called 'nothing'.\n"

    def test_simulate_starts_its_own_server(self, tmp_path: Path):
        cyborg(tmp_path, "demo", "--no-serve", "--participants", "4", "--faces", "48")
        done = cyborg(tmp_path, "simulate", "demo", "--participants", "2", "--json")
        assert json.loads(done.stdout)["participants"] == 2


def cyborg(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CYBORG_DATA_DIR": str(folder / "data"), "CYBORG_PORT": str(free_port())}
    command = [sys.executable, "-c", "from app.cli import run; run()", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
