"""`python -m accuracy` on files alone."""

import csv
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from accuracy.__main__ import cli
from accuracy.reporting.tidy import decisions_csv
from tests.accuracy.findings.test_findings import table
from tests.app.analysis.test_service import COLUMNS, FILE

FORBIDDEN = ("sqlalchemy", "fastapi", "starlette", "procrastinate", "psycopg", "torch", "app", "training")
ALONE = f"""
import runpy, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN}:
            raise ImportError(f"{{name}} is not installed")

sys.meta_path.insert(0, Absent())
runpy.run_module("accuracy", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def own(tmp_path):
    """A file that the platform wrote."""
    path = tmp_path / "own.csv"
    path.write_text(decisions_csv(table(people=4, trials=6)))
    return str(path)


@pytest.fixture
def other(tmp_path):
    (tmp_path / "other.csv").write_text(FILE)
    (tmp_path / "other.toml").write_text(COLUMNS)
    return ["--compare", str(tmp_path / "other.csv"), "--compare-columns", str(tmp_path / "other.toml")]


class TestAlone:
    def test_it_works_in_an_empty_folder_without_the_platform(self, tmp_path, own):
        empty = tmp_path / "empty"
        empty.mkdir()
        command = [sys.executable, "-c", ALONE, own, "--out", "report"]
        done = subprocess.run(command, cwd=empty, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "own: 48 decisions of 8 participants." in done.stdout
        names = {path.name for path in (empty / "report").iterdir()}
        assert {"report.html", "report.pdf", "decisions.csv", "estimates.csv", "accuracy.svg"} <= names
        assert (empty / "report" / "report.html").read_text().count("<style>") == 1


class TestFile:
    def test_it_prints_arms_and_differences(self, own):
        done = CliRunner().invoke(cli, [own], env={"COLUMNS": "120"})
        assert done.exit_code == 0
        assert [line.split("  ")[0] for line in done.stdout.splitlines()[2:4]] == ["Accuracy", "d′"]
        assert "Difference" in done.stdout
        assert "caution:" in done.stderr

    def test_a_toml_says_what_other_columns_are(self, tmp_path, other):
        done = CliRunner().invoke(cli, [other[1], "--columns", other[3], "--json"])
        (analysis,) = json.loads(done.stdout)
        assert (analysis["name"], analysis["decisions"], analysis["arms"]) == ("Elsewhere", 144, ["A", "B"])

    def test_estimates_are_a_table(self, tmp_path, other, monkeypatch):
        monkeypatch.setattr("accuracy.reporting.files.pdf", lambda *_: b"%PDF")
        CliRunner().invoke(cli, [other[1], "--columns", other[3], "--out", str(tmp_path / "out")])
        rows = csv.DictReader((tmp_path / "out" / "estimates.csv").read_text("utf-8").splitlines())
        assert {row["section"] for row in rows} >= {"arms", "difference"}


class TestComparison:
    def test_arms_of_both_files_are_in_one_analysis_and_the_other_is_apart(self, own, other):
        done = CliRunner().invoke(cli, [own, *other, "--json"])
        first, second = json.loads(done.stdout)
        assert first["arms"] == ["Elsewhere: A", "Elsewhere: B", "control", "annotate"]
        assert second["arms"] == ["A", "B"]

    def test_each_has_a_folder(self, tmp_path, own, other, monkeypatch):
        monkeypatch.setattr("accuracy.reporting.files.pdf", lambda *_: b"%PDF")
        monkeypatch.setattr("accuracy.reporting.files.draw", lambda _: [])
        done = CliRunner().invoke(cli, [own, *other, "--out", str(tmp_path / "out")])
        assert f"Wrote {tmp_path / 'out' / 'study'}: " in done.stdout
        assert (tmp_path / "out" / "compared" / "estimates.csv").is_file()


class TestMistakes:
    @pytest.mark.parametrize(
        ("arguments", "complaint"),
        [
            (["none.csv"], "none.csv cannot be read: No such file or directory."),
            (["{other}"], "other.csv is not a file of decisions that Cyborg wrote"),
            (["{other}", "--columns", "none.toml"], "none.toml"),
            (["{other}", "--compare-columns", "{toml}"], "name it by --compare"),
        ],
    )
    def test_each_is_one_line(self, other, arguments, complaint):
        named = [one.format(other=other[1], toml=other[3]) for one in arguments]
        done = CliRunner().invoke(cli, named)
        assert done.exit_code == 1
        assert done.stderr.startswith("error: ")
        assert complaint in done.stderr
        assert len(done.stderr.splitlines()) == 1
