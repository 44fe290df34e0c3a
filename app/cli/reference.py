"""`docs/cli.md`, made from the commands themselves: `python -m app.cli.reference > docs/cli.md`."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from app.cli import app

INTRODUCTION = """# Command line

Every command has `--help`. A user's mistake is one line on standard error and exit code 1. Settings come from
the environment; see [deployment](deployment.md). This page is made by `make docs`.
"""


def reference() -> str:
    """The whole page."""
    from accuracy.__main__ import cli as accuracy
    from app.cli import commands  # noqa: F401 - registers every command on `app`

    sections = [section(("cyborg", *path), command) for path, command in walk(get_command(app))]
    sections.append(section(("python", "-m", "accuracy"), get_command(accuracy)))
    return "\n".join([INTRODUCTION, *sections])


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that call it."""
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield path, command
        return
    for name, child in sorted(subcommands.items()):
        yield from walk(child, (*path, name))


def section(path: tuple[str, ...], command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    words = " ".join([*path, *(shown_argument(argument) for argument in arguments)])
    lines = [f"## `{words}`", "", (command.help or "").strip(), ""]
    rows = [(shown_argument(argument), argument.help) for argument in arguments]
    rows += [("`, `".join([*option.opts, *option.secondary_opts]), option.help) for option in options]
    if rows:
        lines += ["| | |", "|---|---|", *(f"| `{name}` | {help_ or ''} |" for name, help_ in rows), ""]
    return "\n".join(lines)


def shown_argument(argument: Any) -> str:
    name = str(argument.metavar or argument.name).upper()
    return name if argument.required else f"[{name}]"


if __name__ == "__main__":
    print(reference(), end="")
