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
from app.stimuli.face_search import FaceSearch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.stimuli.service import ImportReport, Remark

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
    faces: Annotated[
        FaceSearch | None,
        typer.Option(
            help="find: find the face where no face box is given. "
            "align: also turn and frame each picture by its face, as FFHQ does; needs --size."
        ),
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
            faces=faces,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _print_json(report) if as_json else _print_lines(report)
    if not report.usable:
        raise BadInput(f"{path}: no image in it can be used.")


@images.command("faces")
def faces_command(
    again: Annotated[
        bool, typer.Option("--again", help="Search also where a face was found before; corrections stay.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the faces of the images that have no face box."""
    from app.stimuli.face_boxes import find_faces

    with opened() as context, _progress() as progress:
        task = progress.add_task("Finding faces", total=None)
        report = find_faces(
            context.sessions,
            context.blobs,
            again=again,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        print(json.dumps({"found": report.found, "remarks": _remarks(report.remarks)}))
        return
    for line in report.remarks:
        print(line)
    print(f"{report.found} faces found.")


@images.command("split")
def split_command(
    path: Annotated[Path | None, typer.Argument(help="A CSV file with the columns path,split.")] = None,
    val: Annotated[float, typer.Option(min=0, max=1, help="Or: fraction to set aside for validation.")] = 0,
    test: Annotated[float, typer.Option(min=0, max=1, help="Or: fraction to set aside for the test.")] = 0,
    seed: Annotated[int, typer.Option(help="Decides which images are set aside.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Give images their splits, as long as no study shows them and no dataset holds them."""
    from app.stimuli.setting_aside import deal_splits, set_splits

    if (path is None) == (val + test == 0):
        raise BadInput("Give either a file with the columns path,split or fractions with --val and --test.")
    if val + test >= 1:
        raise BadInput("--val and --test together must leave something to train on.")
    with opened() as context, context.sessions.begin() as session:
        report = set_splits(session, path) if path else deal_splits(session, val=val, test=test, seed=seed)
    if as_json:
        print(json.dumps({"changed": dict(report.changed), "unchanged": report.unchanged}))
        return
    for split, count in sorted(report.changed.items()):
        print(f"{count} images have the split {split} now." if split else f"{count} have no split now.")
    if report.unchanged or not report.changed:
        print(f"{report.unchanged} had their split already.")


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _print_lines(report: ImportReport) -> None:
    for line in (*report.refused, *report.ignored, *report.remarks):
        print(line)
    if any(line.field == "split" for line in report.ignored):
        print("`cyborg images split` sets splits, as long as no dataset holds the images.")
    print(
        f"{report.imported} images imported, {report.already_there} already there, "
        f"{len(report.refused)} refused."
    )


def _print_json(report: ImportReport) -> None:
    refused = [{"file": refusal.name, "reason": refusal.reason} for refusal in report.refused]
    counts = {"imported": report.imported, "already_there": report.already_there}
    ignored = [
        {"file": field.name, "field": field.field, "stored": field.stored, "given": field.given}
        for field in report.ignored
    ]
    remarks = _remarks(report.remarks)
    print(json.dumps(counts | {"refused": refused, "kept": ignored, "remarks": remarks}))


def _remarks(remarks: Sequence[Remark]) -> list[dict[str, str]]:
    return [{"file": remark.name, "remark": remark.text} for remark in remarks]
