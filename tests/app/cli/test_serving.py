"""`cyborg serve` says where it is."""

import os
import re
import subprocess
from collections.abc import Iterator

import httpx2
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli import commands as _registers  # noqa: F401
from tests.support.pictures import draw
from tests.support.processes import COMMAND

STUDY = """
slug = "faces"
title = "Faces"
trials_per_participant = 2
judgements = 1

[pairs]
per_source = 2
"""


class TestPort:
    def test_of_any_port_the_one_that_it_got_is_told(self, server):
        said = server.stdout.readline()
        url, port = re.search(r"(http://127.0.0.1:(\d+)) .*port \2\)", said).groups()
        assert port not in ("0", "8000")
        assert httpx2.get(f"{url}/health", timeout=60).json()["status"] == "ok"


class TestAnotherMachine:
    """Commands that ask the running server, beside the same ones on its own database."""

    @pytest.fixture
    def address(self, server):
        return re.search(r"http://127.0.0.1:\d+", server.stdout.readline())[0]

    @pytest.fixture
    def here(self, settings, monkeypatch):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return lambda *words: CliRunner().invoke(app, list(words), catch_exceptions=False).stdout

    @pytest.fixture
    def there(self, here, address):
        here("staff", "add", "ada@lab.example", "--name", "Ada", "--role", "editor")
        made = here("token", "create", "ada@lab.example", "--name", "t", "--scope", "edit")
        token = re.search(r"cyborg_\S+", made)[0]
        return lambda *words: here("--server", address, "--token", token, *words)

    def test_what_a_command_finds_there_it_prints_as_it_does_here(self, here, there, tmp_path):
        for number in range(4):
            draw(tmp_path / "in" / "real" / f"{number}.png", seed=number)
            draw(tmp_path / "in" / "fake" / "gan" / f"{number}.png", seed=100 + number)
        assert "8 images imported" in there("images", "import", str(tmp_path / "in"))
        assert "4 images have the split test now." in there("images", "split", "--test", "0.5")
        (tmp_path / "faces.toml").write_text(STUDY)
        there("study", "create", str(tmp_path / "faces.toml"))
        there("study", "open", "faces")
        for asked in (
            ("study", "list"),
            ("study", "list", "--json"),
            ("study", "history", "faces"),
            ("quality", "faces"),
            ("quality", "faces", "--json"),
            ("alerts", "list", "--json"),
            ("exclusions", "faces"),
            ("links", "list", "faces"),
        ):
            assert there(*asked) == here(*asked) != "", asked


@pytest.fixture
def settings(new_database, tmp_path):
    return {
        "CYBORG_PORT": "0",
        "CYBORG_DATA_DIR": str(tmp_path / "data"),
        "CYBORG_DATABASE_URL": new_database(),
    }


@pytest.fixture
def server(settings) -> Iterator[subprocess.Popen]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CYBORG_")}
    process = subprocess.Popen(
        [*COMMAND, "serve"],
        env=kept | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        yield process
        process.terminate()
