"""Command line: `python -m saliency` works on files alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from saliency.build import build_folder
from saliency.files import AnnotationFileError, OutputError
from saliency.maps import Include, MapParameters, ParameterError, Scale

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
    except (AnnotationFileError, OutputError, ParameterError) as error:
        typer.echo(f"error: {error}", err=True)
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
