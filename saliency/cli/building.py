"""`build` and `source`: folders of maps."""

from pathlib import Path
from typing import Annotated

import typer

from saliency.cli import cli, lines_in, options, progress_bar, user_errors
from saliency.folders.building import build_folder
from saliency.parameters import MapParameters
from saliency.sources.listing import read_images
from saliency.sources.parameters import Kind, SourceParameters
from saliency.sources.segmentation import FACE_CLASSES, parse_classes
from saliency.sources.writing import source_folder


@cli.command()
def build(  # noqa: PLR0913 - one option for each parameter of a map
    annotations: options.AnnotationsFile,
    out_dir: options.OutFolder,
    *,
    sigma: options.Sigma = 5.0,
    sigma_share: options.SigmaShare = None,
    include: options.Included = "correct",
    arm: options.Arms = None,
    question: options.Questions = None,
    without_flag: options.WithoutFlags = None,
    first_annotators: options.FirstAnnotators = None,
    decided_from: options.DecidedFrom = None,
    decided_before: options.DecidedBefore = None,
    weight: options.Weighted = "equal",
    min_annotators: options.MinAnnotators = 1,
    scale: options.Scaled = "minmax",
    granularity: options.Grain = "map",
    threshold: options.Threshold = 0.5,
    jobs: options.Jobs = 1,
) -> None:
    """Build one saliency map per image: maps/<image_id>.png, maps.csv, build.json."""
    with user_errors():
        parameters = MapParameters.from_dict(
            {
                "sigma_px": sigma,
                "sigma_share": sigma_share,
                "include": include,
                "arms": arm or (),
                "questions": question or (),
                "without_flags": without_flag or (),
                "first_annotators": first_annotators,
                "decided_from": decided_from,
                "decided_before": decided_before,
                "weight": weight,
                "min_annotators": min_annotators,
                "scale": scale,
                "granularity": granularity,
                "threshold": threshold,
            }
        )
        with progress_bar(lines_in(annotations), "maps") as update:
            summary = build_folder(annotations, out_dir, parameters, jobs=jobs, progress=update)
    typer.echo(f"{summary.maps} maps from {summary.images} images in {out_dir}")


@cli.command()
def source(  # noqa: PLR0913 - one option for each parameter of a source
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
    sigma: options.Sigma = 5.0,
    sigma_share: options.SigmaShare = None,
    min_annotators: options.MinAnnotators = 1,
    scale: options.Scaled = "minmax",
    granularity: options.Grain = "map",
    threshold: options.Threshold = 0.5,
) -> None:
    """Make maps that do not come from strokes: controls, segmentations, a model's, masks painted elsewhere.

    The blur, --min-annotators and --scale are for masks.
    """
    with user_errors():
        parameters = SourceParameters(kind, seed, parse_classes(classes) if classes else FACE_CLASSES)
        maps = MapParameters(
            sigma_px=sigma,
            sigma_share=sigma_share,
            min_annotators=min_annotators,
            scale=scale,
            granularity=granularity,
            threshold=threshold,
        )
        listed = read_images(images)
        given = folder or (images if images.is_dir() else None)
        with progress_bar(len(listed), "maps") as update:
            summary = source_folder(listed, out_dir, parameters, folder=given, maps=maps, progress=update)
    typer.echo(f"{summary.maps} maps for {summary.images} images in {out_dir}")
