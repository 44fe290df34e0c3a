"""What every command says when it cannot work: one sentence that names the cause, and it changes nothing."""

from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from sqlalchemy import create_engine, text
from typer.main import get_command
from typer.testing import CliRunner

from app.cli import app as cli
from app.cli import commands  # noqa: F401 - registers every command
from app.cli.failures import sentence_of
from app.cli.reference import walk

WITHOUT_A_DATABASE = {("alerts", "try")}
COMMANDS = {path: command for path, command in walk(get_command(cli)) if path not in WITHOUT_A_DATABASE}

STUDY = """
slug = "faces"
title = "Which face is real?"
judgements = 5
[pairs]
per_source = 1
"""

WORDS = {int: "1", str: "faces"}

RUN = "00000000-0000-4000-8000-000000000000"
WHAT_ELSE = {
    ("analyse",): ["faces"],
    ("images", "split"): ["--test", "0.5"],
    ("images", "tag"): ["face.png", "--add", "smiling"],
    ("links", "make"): ["faces", "5"],
    ("score",): [RUN, "face.png"],
    ("train",): ["smoke", "--dataset", "faces"],
}
"""Where any word will not do."""


@pytest.fixture(scope="module")
def newer_database(new_database):
    url = new_database()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    return url


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
class TestEveryCommand:
    def test_it_refuses_a_database_of_a_newer_version_in_one_sentence(self, path, newer, words_for):
        answer = CliRunner().invoke(cli, words_for(path))
        assert answer.exit_code == 1
        sentence = sentence_of(answer.exception)
        assert sentence is not None, answer.exception
        refused = "The database holds" if path == ("db", "restore") else "The database is of a newer version"
        assert refused in sentence

    def test_it_says_that_the_database_does_not_answer(self, path, no_database, words_for):
        answer = CliRunner().invoke(cli, words_for(path))
        assert answer.exit_code == 1
        sentence = sentence_of(answer.exception)
        assert sentence is not None, answer.exception
        assert "connection failed" in sentence
        assert "\n" not in sentence
        assert "sqlalche.me" not in sentence

    @pytest.fixture
    def newer(self, newer_database, monkeypatch, tmp_path):
        monkeypatch.setenv("CYBORG_DATABASE_URL", newer_database)
        monkeypatch.setenv("CYBORG_DATA_DIR", str(tmp_path / "data"))

    @pytest.fixture
    def no_database(self, monkeypatch, tmp_path):
        monkeypatch.setenv("CYBORG_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
        monkeypatch.setenv("CYBORG_DATA_DIR", str(tmp_path / "data"))

    @pytest.fixture
    def words_for(self, tmp_path):
        """A command with what it must be given."""

        def make(path: tuple[str, ...]) -> list[str]:
            if path in WHAT_ELSE:
                return [*path, *WHAT_ELSE[path]]
            words = list(path)
            for parameter in COMMANDS[path].params:
                if parameter.required:
                    words += [*parameter.opts[:1]] if parameter.param_type_name == "option" else []
                    words.append(word_for(parameter, tmp_path, path))
            return words

        return make


def word_for(parameter, folder: Path, path: tuple[str, ...]) -> str:
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    return WORDS.get(annotation) or str(file_for(folder, path))


def file_for(folder: Path, path: tuple[str, ...]) -> Path:
    if path in {("export",), ("db", "backup")}:
        return folder / "new"
    given = folder / "given.toml"
    given.write_text(STUDY)
    return given
