"""`cyborg …`: a command parses, calls one function, prints."""

import sys
from typing import Final

import typer
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import OperationalError

from app.errors import AppError

app = typer.Typer(
    name="cyborg",
    help="Judge pairs of faces, paint why, train detectors that look where people looked.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

complaints: Final = Console(stderr=True, highlight=False, soft_wrap=True)

USER_ERROR: Final = 1


def run() -> None:
    """The console script: a user error is one line and exit code 1, never a traceback."""
    from app.cli import commands  # noqa: F401 - registers every command on `app`

    try:
        app()
    except (AppError, OSError, ValueError) as error:
        complaints.print(f"[red]cyborg:[/red] {escape(str(error))}", markup=True)
        sys.exit(USER_ERROR)
    except OperationalError as error:
        cause = escape(str(error.orig))
        complaints.print(f"[red]cyborg:[/red] the database does not answer: {cause}", markup=True)
        sys.exit(USER_ERROR)
