"""Command line: `python -m saliency` works on files alone."""

import json
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from saliency import pictures
from saliency.build import build_folder
from saliency.files import AnnotationFileError, OutputError, encode_map_png, read_annotations, write_file
from saliency.folders import (
    MapFolderError,
    average_map,
    compare_folders,
    read_boxes,
    read_map,
    shown,
    write_measures,
)
from saliency.parameters import Include, MapParameters, ParameterError, Scale
from saliency.pictures import Colours, colour
from saliency.reliability import Reliability, reliabilities, summarise

cli = typer.Typer(
    name="python -m saliency",
    help="Human saliency maps from strokes, and what they have in common.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.callback()
def main() -> None:
    """Human saliency maps from strokes, and what they have in common."""


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn what a user can put right into one line and exit code 1."""
    try:
        yield
    except (AnnotationFileError, OutputError, ParameterError, MapFolderError) as error:
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


AnnotationsFile = Annotated[
    Path, typer.Argument(metavar="ANNOTATIONS.jsonl", help="One annotation per line.")
]
OutFolder = Annotated[
    Path, typer.Argument(metavar="OUT_DIR", help="Made, or replaced if it is an earlier build.")
]
Jobs = Annotated[int, typer.Option(min=1, help="Processes that share the work.")]


@cli.command()
def build(
    annotations: AnnotationsFile,
    out_dir: OutFolder,
    *,
    sigma: Annotated[float, typer.Option(help="Standard deviation of the blur in image pixels.")] = 5.0,
    include: Annotated[Include, typer.Option(help="Annotations of correct decisions, or all.")] = "correct",
    min_annotators: Annotated[int, typer.Option(help="Fewer than this: no map.")] = 1,
    scale: Annotated[
        Scale, typer.Option(help="Minimum and maximum to 0 and 1, or the peak to 1.")
    ] = "minmax",
    jobs: Jobs = 1,
) -> None:
    """Build one saliency map per image: maps/<image_id>.png, maps.csv, build.json."""
    with user_errors():
        parameters = MapParameters(
            sigma_px=sigma, include=include, min_annotators=min_annotators, scale=scale
        )
        with progress_bar(annotations, "maps") as update:
            summary = build_folder(annotations, out_dir, parameters, jobs=jobs, progress=update)
    typer.echo(f"{summary.maps} maps from {summary.images} images in {out_dir}")


@cli.command()
def agree(
    annotations: AnnotationsFile,
    *,
    sigma: Annotated[float, typer.Option(help="Standard deviation of the blur in image pixels.")] = 5.0,
    include: Annotated[Include, typer.Option(help="Annotations of correct decisions, or all.")] = "correct",
    seed: Annotated[int, typer.Option(help="Of the random splits.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    jobs: Jobs = 1,
) -> None:
    """Tell how far annotators agree and how many of them a map needs."""
    with user_errors():
        parameters = MapParameters(sigma_px=sigma, include=include)
        measured = reliabilities(read_annotations(annotations), parameters, seed=seed, jobs=jobs)
        with progress_bar(annotations, "agreement") as update:
            found = [one for count, one in measured if not update(count) and one is not None]
    summary = summarise(found)
    typer.echo(json.dumps(asdict(summary), indent=2) if as_json else "\n".join(_agreement_lines(summary)))


def _agreement_lines(summary: Reliability) -> Iterator[str]:
    yield f"images with two or more annotators   {summary.images}"
    if not summary.images:
        return
    yield f"annotators per image                 {summary.annotators:.2f}"
    yield f"one against the mean of the others   r = {summary.leave_one_out:.3f}"
    for size, value in enumerate(summary.curve, start=1):
        yield f"groups of {size:2d} against each other      r = {value:.3f}"
    yield f"maps of all annotators, projected    r = {summary.projected:.3f}"
    yield f"annotators needed for r = 0.9        {summary.needed_for_90 or 'no number'}"
    yield f"masks, mean over pairs               IoU {summary.iou:.3f}, Dice {summary.dice:.3f}"


@cli.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="A build: the reference.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Another build.")],
    *,
    table: Annotated[
        Path | None, typer.Option("--csv", help="Write the measures of each image here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare the maps of two builds image by image: nine measures, and what changed."""
    with user_errors():
        compared = compare_folders(first, second)
        if table is not None:
            write_measures(table, compared)
    counts = {
        "images_in_both": len(compared.measures),
        "unchanged": len(compared.same),
        "only_in_first": list(compared.only_first),
        "only_in_second": list(compared.only_second),
    }
    if as_json:
        typer.echo(json.dumps(counts | {"means": compared.means}, indent=2))
        return
    typer.echo(f"{len(compared.measures)} images in both, {len(compared.same)} of them unchanged")
    for place, names in (("first", compared.only_first), ("second", compared.only_second)):
        if names:
            typer.echo(f"{len(names)} only in the {place}: {shown(names)}")
    for name, value in compared.means.items():
        typer.echo(f"{name:9} {value:.4f}")


@cli.command()
def average(
    build: Annotated[Path, typer.Argument(metavar="BUILD", help="A folder that `build` made.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="16-bit greyscale, or colours if asked.")],
    *,
    boxes: Annotated[Path | None, typer.Option(help="CSV image_id[,x,y,w,h] of faces.")] = None,
    size: Annotated[int, typer.Option(min=1, max=4096, help="Side of the result in pixels.")] = 224,
    colours: Annotated[Colours | None, typer.Option(help="Write a colour picture instead.")] = None,
) -> None:
    """Average the maps of a build after aligning them by their face boxes."""
    with user_errors():
        values, images = average_map(build, None if boxes is None else read_boxes(boxes), size=size)
        write_file(out, encode_map_png(values) if colours is None else _png(colour(values, colours=colours)))
    typer.echo(f"average of {images} maps in {out}")


@cli.command()
def overlay(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The picture.")],
    saliency_map: Annotated[Path, typer.Argument(metavar="MAP.png", help="Its saliency map.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="The picture with the map over it.")],
    *,
    strength: Annotated[float, typer.Option(min=0, max=1, help="Colour at the most salient pixel.")] = 0.6,
    colours: Annotated[Colours, typer.Option(help="Colour map.")] = "turbo",
) -> None:
    """Lay a saliency map over its image."""
    with user_errors():
        picture = cv2.imdecode(np.frombuffer(image.read_bytes() or b"0", np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise MapFolderError(f"{image} is not a readable image")
        values = read_map(saliency_map)
        laid = pictures.overlay(
            np.asarray(picture, dtype=np.uint8), values, strength=strength, colours=colours
        )
        write_file(out, _png(laid))
    typer.echo(f"overlay in {out}")


def _png(picture: pictures.Picture) -> bytes:
    return bytes(cv2.imencode(".png", picture)[1])


@contextmanager
def progress_bar(annotations: Path, label: str) -> Iterator[Callable[[int], object]]:
    """Show on stderr how many annotations are done; silent when stderr is no terminal."""
    with typer.progressbar(length=_lines(annotations), label=label, file=sys.stderr) as bar:
        yield bar.update


def _lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(1 for line in file if line.strip())
    except OSError as error:
        raise AnnotationFileError(f"{path} cannot be read: {error.strerror}") from error


if __name__ == "__main__":
    cli()
