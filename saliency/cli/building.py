"""`build` and `source`: folders of maps."""

from pathlib import Path
from typing import Annotated

import typer

from saliency.cli import cli, lines_in, options, progress_bar, user_errors
from saliency.folders.building import build_folder
from saliency.parameter_descriptions import STEPS
from saliency.parameter_options import Asked, with_parameters
from saliency.parameters import MapParameters
from saliency.sources.listing import read_images
from saliency.sources.parameters import Kind, SourceParameters
from saliency.sources.segmentation import FACE_CLASSES, parse_classes
from saliency.sources.writing import source_folder


@cli.command()
@with_parameters(*STEPS)
def build(
    annotations: options.AnnotationsFile, out_dir: options.OutFolder, *, asked: Asked, jobs: options.Jobs = 1
) -> None:
    """Build one saliency map per image: maps/<image_id>.png, maps.csv, build.json."""
    with user_errors():
        parameters = MapParameters.from_dict(asked)
        with progress_bar(lines_in(annotations), "maps") as update:
            summary = build_folder(annotations, out_dir, parameters, jobs=jobs, progress=update)
    typer.echo(f"{summary.maps} maps from {summary.images} images in {out_dir}")


@cli.command()
@with_parameters("blur", "minimum", "shape")
def source(
    kind: Annotated[Kind, typer.Argument(help="Where the maps come from.")],
    images: Annotated[
        Path, typer.Argument(help="A dataset, a build, or a CSV image_id,width,height[,label].")
    ],
    out_dir: options.OutFolder,
    *,
    folder: Annotated[
        Path | None, typer.Option("--from", help="Maps, segmentations or masks; IMAGES if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of shuffled and random.")] = 0,
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="NAME", help="Of segmentation: a name or a number; repeatable."),
    ] = None,
    asked: Asked,
) -> None:
    """Make maps that do not come from strokes: controls, segmentations, a model's, masks painted elsewhere.

    The blur, --min-annotators and --scale are for masks.
    """
    with user_errors():
        parameters = SourceParameters(kind, seed, parse_classes(classes) if classes else FACE_CLASSES)
        maps = MapParameters.from_dict(asked)
        listed = read_images(images)
        given = folder or (images if images.is_dir() else None)
        with progress_bar(len(listed), "maps") as update:
            summary = source_folder(listed, out_dir, parameters, folder=given, maps=maps, progress=update)
    typer.echo(f"{summary.maps} maps for {summary.images} images in {out_dir}")
