"""Documentation that a machine can hold against the code."""

import re
from collections.abc import Iterator
from inspect import getmodule, isfunction
from pathlib import Path

import pytest
from typer.main import get_command

from app.cli import app as cli
from app.cli import commands  # noqa: F401 - registers every command
from app.cli.reference import reference, walk
from app.errors import AppError
from app.settings import Settings
from tests.support import ROOT

DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name):
    assert f"`CYBORG_{name.upper()}`" in (DOCS / "deployment.md").read_text()


def test_a_file_of_settings_is_read_as_editors_save_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CYBORG_HOST", raising=False)
    Path(".env").write_text("CYBORG_HOST=lab.example\n", "utf-8-sig")
    assert Settings().host == "lab.example"


COMMANDS = list(walk(get_command(cli)))


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(path) for path, _ in COMMANDS])
class TestEveryCommand:
    def test_it_has_help(self, path, command):
        assert (command.help or "").strip().endswith(".")

    def test_its_options_have_help(self, path, command):
        assert all(getattr(parameter, "help", "") for parameter in command.params)


def test_the_reference_of_commands_is_what_make_docs_prints():
    assert (DOCS / "cli.md").read_text() == reference()


def errors(kind: type[AppError] = AppError) -> Iterator[type[AppError]]:
    for child in kind.__subclasses__():
        yield child
        yield from errors(child)


ERRORS = sorted(errors(), key=lambda error: error.__name__)


class TestEveryError:
    @pytest.mark.parametrize("error", ERRORS)
    def test_it_has_a_sentence_of_its_own(self, error):
        assert re.fullmatch(r"[A-Z].*[.]", (error.__doc__ or "").strip())

    def test_their_codes_are_in_the_reference(self):
        reference = (DOCS / "participant-api.md").read_text()
        assert [error.code() for error in errors() if f"`{error.code()}`" not in reference] == []


WALKS = re.findall(r"`([a-z_]+/[\w/-]+\.(?:py|js))(?:::(\w+))?`", (DOCS / "architecture.md").read_text())


@pytest.mark.parametrize(("path", "name"), WALKS, ids=["::".join(filter(None, walk)) for walk in WALKS])
def test_every_file_and_function_that_the_architecture_names_is_there(path, name):
    source = (ROOT / path).read_text("utf-8")
    assert not name or re.search(rf"^(?:async )?(?:def|class) {name}\b", source, re.MULTILINE)


class TestCommandsOfAnotherServer:
    def test_the_list_in_the_documentation_is_that_of_the_code(self):
        assert sorted(listed_commands()) == sorted(
            " ".join(path) for path, command in COMMANDS if asks_a_server(command.callback)
        )


def listed_commands() -> Iterator[str]:
    """Commands that docs/api.md says can take `--server`; a group stands for those in it."""
    page = (DOCS / "api.md").read_text("utf-8")
    said = page.partition("These commands can:")[2].partition(". What they ask for")[0]
    for name, remark in re.findall(r"`([a-z -]+)`(?: \(([^)]*)\))?", said):
        left_out = {f"{name} {one}" for one in re.findall("`(.+?)`", remark)}
        found = {" ".join(path) for path, _ in COMMANDS if f"{' '.join(path)} ".startswith(f"{name} ")}
        assert found, name
        yield from found - left_out


def asks_a_server(function, seen=frozenset()) -> bool:
    """Whether a command, or what it wraps or calls in its own module, looks for `--server`."""
    names = function.__code__.co_names
    if "remote" in names:
        return True
    module = getmodule(function)
    called = (getattr(module, name, None) for name in names)
    inside = [one for one in called if isfunction(one) and getmodule(one) is module]
    wrapped = [cell.cell_contents for cell in function.__closure__ or ()]
    return any(
        asks_a_server(one, seen | {function})
        for one in (*inside, *wrapped)
        if isfunction(one) and one not in seen
    )
