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
from app.cli.remote import Remote
from app.errors import AppError, BadInput
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
    def test_each_asks_it_or_has_a_reason_why_not(self):
        assert [
            " ".join(path)
            for path, command in COMMANDS
            if not only_here(command) and not asks_a_server(command.callback)
        ] == []

    def test_the_documentation_lists_those_that_do_not_and_their_reasons(self):
        assert dict(listed_commands()) == {
            " ".join(path): reason for path, command in COMMANDS if (reason := only_here(command))
        }

    @pytest.mark.parametrize(
        ("path", "command"),
        [one for one in COMMANDS if vars(one[1].callback).get("only_here")],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_one_of_them_does_nothing_but_say_why(self, path, command, monkeypatch):
        server = Remote("https://faces.lab.example", "cyborg_x")
        monkeypatch.setattr("app.cli.remote.remote", lambda: server)
        with pytest.raises(BadInput, match=re.escape(only_here(command))):
            command.callback()


def only_here(command) -> str | None:
    """Why a command takes no `--server`."""
    return vars(command.callback).get("only_here")


def listed_commands() -> Iterator[tuple[str, str]]:
    """Commands that docs/api.md says take no `--server`, and why; a group stands for those in it."""
    page = (DOCS / "api.md").read_text("utf-8")
    for names, reason in re.findall(r"^\| (.+) \| (.+) \|$", page.partition("## The command line")[2], re.M):
        for name in re.findall("`(.+?)`", names):
            found = {" ".join(path) for path, _ in COMMANDS if f"{' '.join(path)} ".startswith(f"{name} ")}
            assert found, name
            yield from ((one, reason) for one in found)


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
