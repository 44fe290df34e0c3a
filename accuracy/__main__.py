"""Command line: `python -m accuracy` works on files alone."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from accuracy.analyse import analyse_file
from accuracy.decisions.exported import read_decisions
from accuracy.errors import DecisionsError
from accuracy.reporting.files import FILES, write_reports
from accuracy.reporting.terminal import print_analysis

cli = typer.Typer(
    name="python -m accuracy", add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False
)
complaints = Console(stderr=True, highlight=False)


@cli.command()
def analyse(
    decisions: Annotated[
        Path,
        typer.Argument(metavar="DECISIONS.csv", help="From `cyborg export`, an analysis, or elsewhere."),
    ],
    *,
    columns: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP.toml", help="Says what the columns are; a file that Cyborg wrote needs none."
        ),
    ] = None,
    compare: Annotated[
        Path | None, typer.Option(metavar="OTHER.csv", help="Another file of decisions, to compare.")
    ] = None,
    compare_columns: Annotated[
        Path | None, typer.Option(metavar="MAP.toml", help="Says what the columns of the other file are.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help=f"Folder for {FILES} and figures.")] = None,
    simulated: Annotated[
        bool, typer.Option("--simulated", help="Of a file that Cyborg wrote: programs instead of people.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print every estimate as JSON.")] = False,
) -> None:
    """How well people tell real faces from synthetic ones: accuracy, d′, differences between arms."""
    with user_errors():
        if compare_columns and not compare:
            raise DecisionsError(
                "--compare-columns says what the columns of a file are: name it by --compare."
            )
        file = read_decisions(decisions, columns, simulated=simulated)
        others = [read_decisions(compare, compare_columns, simulated=file.simulated)] if compare else []
        with progress_bar() as on_progress:
            reported = [
                analyse_file(file, others, on_progress=on_progress),
                *(analyse_file(other, on_progress=on_progress) for other in others),
            ]
        folders = write_reports(reported, out) if out is not None else []
    if as_json:
        typer.echo(json.dumps([result.analysis.to_dict() for result in reported]))
        return
    for result in reported:
        print_analysis(result.analysis, screen=Console(highlight=False), complaints=complaints)
    for folder in folders:
        typer.echo(f"Wrote {folder}: {FILES} and the figures.")


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn what a user can put right into one line and exit code 1."""
    try:
        yield
    except DecisionsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"error: {error.filename or 'the output'}: {error.strerror}", err=True)
        raise typer.Exit(1) from error


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None]]:
    """Show on stderr how much is done; silent when stderr is no terminal."""
    with Progress(console=complaints, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Analysing", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


if __name__ == "__main__":
    cli()
