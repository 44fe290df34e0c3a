"""`cyborg …`: a command parses, calls one function, prints."""

import sys
from importlib.metadata import version
from typing import Annotated, Final, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

app = typer.Typer(
    name="cyborg",
    help="Judge pairs of faces, paint why, train detectors that look where people looked.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

complaints: Final = Console(stderr=True, highlight=False, soft_wrap=True)

USER_ERROR: Final = 1


def _print_version(wanted: bool) -> None:
    if wanted:
        print(version("cyborg-platform"))
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    server: Annotated[
        str | None,
        typer.Option(envvar="CYBORG_SERVER", help="Ask this server instead of this machine's database."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="CYBORG_TOKEN",
            help="API token for --server; safer in the variable, where `ps` shows none.",
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of `cyborg` itself."""
    if server:
        from app.cli.remote import chosen

        context.obj = chosen(server, token)


def run() -> None:
    """The console script: a user error is one line and exit code 1, never a traceback."""
    from app.cli import commands  # noqa: F401 - registers every command on `app`

    try:
        app()
    except Exception as error:
        from app.cli.failures import sentence_of

        if (sentence := sentence_of(error)) is None:
            raise
        _complain(sentence)


def _complain(sentence: str) -> NoReturn:
    complaints.print(f"[red]cyborg:[/red] {escape(sentence)}", markup=True)
    sys.exit(USER_ERROR)
