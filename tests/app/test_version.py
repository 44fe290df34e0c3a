"""The version stands in `pyproject.toml`; whoever asks hears that one."""

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app


class TestVersion:
    def test_it_is_what_the_command_prints(self, declared):
        assert CliRunner().invoke(app, ["--version"]).output == f"{declared}\n"

    def test_it_is_the_version_of_the_api(self, client, declared):
        assert client.get("/api/openapi.json").json()["info"]["version"] == declared

    def test_it_is_the_newest_of_the_changelog_unless_that_is_not_released(self, declared):
        newest = Path("CHANGELOG.md").read_text(encoding="utf-8").split("\n## ")[1]
        assert newest.startswith(("Unreleased\n", f"{declared} — "))


@pytest.fixture(scope="module")
def declared():
    return tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
