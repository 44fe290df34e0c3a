"""`cyborg images …`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli import app
from app.cli.context import opened
from app.errors import BadInput

if TYPE_CHECKING:
    from app.stimuli.service import ImportReport

images = typer.Typer(help="Images of faces, real and fake.", no_args_is_help=True)
app.add_typer(images, name="images")


@images.command("import")
def import_command(
    path: Annotated[
        Path, typer.Argument(help="A CSV manifest, or a folder with real/… and fake/<source>/….")
    ],
    size: Annotated[
        int | None,
        typer.Option(min=32, max=4096, help="Crop to the centred square and scale to SIZE × SIZE."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Import images; whatever cannot be used is named with its reason, and the rest goes on."""
    from app.stimuli.service import import_path

    with opened() as context, _progress() as progress:
        task = progress.add_task("Importing", total=None)
        report = import_path(
            context.sessions,
            context.blobs,
            path,
            size=size,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _print_json(report) if as_json else _print_lines(report)
    if not report.usable:
        raise BadInput(f"{path}: no image in it can be used.")


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _print_lines(report: ImportReport) -> None:
    for refusal in report.refused:
        print(refusal)
    print(
        f"{report.imported} images imported, {report.already_there} already there, "
        f"{len(report.refused)} refused."
    )


def _print_json(report: ImportReport) -> None:
    refused = [{"file": refusal.name, "reason": refusal.reason} for refusal in report.refused]
    counts = {"imported": report.imported, "already_there": report.already_there}
    print(json.dumps(counts | {"refused": refused}))
