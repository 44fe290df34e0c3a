"""`agree`: how far annotators agree, and how many a map needs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from saliency.cli import cli, lines_in, options, progress_bar, user_errors
from saliency.comparison.reliability import ImageReliability, Reliability, reliabilities, summarise
from saliency.comparison.reliability_figure import draw_curve
from saliency.files.writing import write_table
from saliency.folders.annotations_file import read_annotations
from saliency.parameter_options import Asked, with_parameters
from saliency.parameters import MapParameters

COLUMNS: Final = ("image_id", "annotators", "leave_one_out", "with_own", "single", "projected", "iou", "dice")


@cli.command()
@with_parameters("blur", "filter", "first")
def agree(
    annotations: options.AnnotationsFile,
    *,
    asked: Asked,
    target: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Reliability that a map should have.")
    ] = 0.9,
    seed: Annotated[int, typer.Option(min=0, help="Of the random splits.")] = 0,
    table: Annotated[Path | None, typer.Option("--csv", help="Write the numbers of each image here.")] = None,
    figure: Annotated[
        Path | None,
        typer.Option("--curve", help="Draw the curve of reliability: .svg, .pdf, .png."),
    ] = None,
    as_json: options.AsJson = False,
    jobs: options.Jobs = 1,
) -> None:
    """Tell how far annotators agree and how many of them a map needs."""
    with user_errors():
        parameters = MapParameters.from_dict(asked)
        length = lines_in(annotations)
        measured = reliabilities(read_annotations(annotations, parameters), parameters, seed=seed, jobs=jobs)
        with progress_bar(length, "agreement") as update:
            images = [image for count, image in measured if not update(count) and image is not None]
        if table is not None:
            write_table(table, COLUMNS, map(_row, images))
    summary = summarise(images, target=target)
    if figure is not None and summary.images:
        with user_errors():
            draw_curve(summary, figure)
    typer.echo(json.dumps(asdict(summary), indent=2) if as_json else "\n".join(_lines(summary)))


def _row(image: ImageReliability) -> Sequence[str]:
    numbers = (image.leave_one_out, image.with_own, image.curve[0], image.projected, image.iou, image.dice)
    return image.image_id, str(image.annotators), *(f"{number:.6f}" for number in numbers)


def _lines(summary: Reliability) -> Iterator[str]:
    yield f"images with two or more annotators   {summary.images}"
    if not summary.images:
        return
    yield f"annotators per image                 {summary.annotators:.2f}"
    yield f"one against the mean of the others   r = {summary.leave_one_out:.3f}"
    yield f"one against the mean of all          r = {summary.with_own:.3f}"
    for size, (value, images) in enumerate(zip(summary.curve, summary.curve_images, strict=True), start=1):
        yield f"groups of {size:2d} against each other      r = {value:.3f}   ({images} images)"
    yield f"maps of all annotators, projected    r = {summary.projected:.3f}"
    yield f"highest r that a model can expect    r = {summary.ceiling:.3f}"
    yield f"annotators needed for r = {summary.target:<10g} {summary.needed or 'no number'}"
    yield f"masks, mean over pairs               IoU {summary.iou:.3f}, Dice {summary.dice:.3f}"
