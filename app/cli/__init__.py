"""`cyborg …`: a command parses, calls one function, prints."""

import sys
from typing import Final, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import ArgumentError, OperationalError

from app.errors import AppError
from app.settings import Settings

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
    except ArgumentError:
        _complain("CYBORG_DATABASE_URL is not an address like postgresql://user:password@host/name.")
    except ValidationError as error:
        _complain(_of_settings(error) if error.title == Settings.__name__ else str(error))
    except (AppError, OSError, ValueError) as error:
        _complain(str(error))
    except OperationalError as error:
        _complain(f"the database does not answer: {error.orig}")


def _of_settings(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    variable = "_".join(["CYBORG", *(str(part).upper() for part in first["loc"])])
    return f"{variable}: {first['msg']}, not {first['input']!r}."


def _complain(sentence: str) -> NoReturn:
    complaints.print(f"[red]cyborg:[/red] {escape(sentence)}", markup=True)
    sys.exit(USER_ERROR)
