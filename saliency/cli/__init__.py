"""The commands of `python -m saliency`: files in, files and lines out."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from saliency.files.writing import OutputError
from saliency.folders.annotations_file import AnnotationFileError
from saliency.folders.reading import MapFolderError
from saliency.parameter_descriptions import ParameterError
from saliency.sources.image import SourceError

HELP: Final = "Human saliency maps from strokes, and what they have in common."

cli = typer.Typer(
    name="python -m saliency",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn what a user can put right into one line and exit code 1."""
    try:
        yield
    except (AnnotationFileError, OutputError, ParameterError, MapFolderError, SourceError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except BrokenExecutor as error:
        typer.echo(
            "error: a process was ended from outside, perhaps for lack of memory; try fewer --jobs", err=True
        )
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"error: {error.filename or 'the output'}: {error.strerror}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def progress_bar(length: int, label: str) -> Iterator[Callable[[int], object]]:
    """Show on stderr how much is done; silent when stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _steps: None
        return
    with typer.progressbar(length=length, label=label, file=sys.stderr) as bar:
        yield bar.update


@contextmanager
def stage_bar(label: str) -> Iterator[Callable[[int, int], object]]:
    """Show on stderr how much is done of a number that is known only later; silent as `progress_bar` is."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with typer.progressbar(length=0, label=label, file=sys.stderr) as bar:

        def update(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        yield update


def lines_in(path: Path) -> int:
    """Count the annotations in a file."""
    try:
        with path.open("rb") as file:
            return sum(1 for line in file if line.strip())
    except OSError as error:
        raise AnnotationFileError(f"{path} cannot be read: {error.strerror}") from error
