"""`python -m benchmarks.photographs`: do maps help on photographs? See docs/photographs.md."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.photographs.comparison import compare
from benchmarks.photographs.datasets import write_dataset
from benchmarks.photographs.execution import read_material, train_all
from benchmarks.photographs.tables import as_markdown, run_rows
from training.errors import TrainingError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Maps of simulated annotators on photographs, beside shuffled maps and a centre prior.",
)
err = Console(stderr=True)

Manifest = Annotated[
    Path,
    typer.Option("--training", envvar="PHOTOGRAPHS_MANIFEST", help="A CSV with path, label and source."),
]
Lago = Annotated[
    Path, typer.Option("--lago", envvar="LAGO2022_DIR", help="The folder that Lago et al. (2022) published.")
]
Out = Annotated[Path, typer.Option("--out", help="Folder that keeps datasets and runs.")]
Seeds = Annotated[int, typer.Option(min=2, help="How many seeds.")]
FirstSeed = Annotated[int, typer.Option(min=0, help="The first of them.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes of one thread each.")]
OUT = Path("runs/photographs")
UNSEEN = ("PGGAN", "StyleGAN")
"""Generators of the test that no detector was trained on."""
SEEDS = 10
CALIBRATION_SEED = 900
"""Settings were chosen with this seed and the next, which no result is of."""


@app.command()
def run(
    training: Manifest,
    lago: Lago,
    out: Out = OUT,
    seeds: Seeds = SEEDS,
    first_seed: FirstSeed = 0,
    jobs: Jobs = 2,
) -> None:
    """Train every arm with every seed, meet the test images, and print the comparison."""
    began = time.monotonic()
    material = read_material(training, lago)
    for seed in train_all(out, material, range(first_seed, first_seed + seeds), jobs=jobs):
        err.print(f"seed {seed}: {time.monotonic() - began:.0f} s")
    _print(out / "runs", list(UNSEEN))


@app.command()
def dataset(
    training: Manifest,
    out: Annotated[Path, typer.Argument(help="The dataset folder that is written.")],
    seed: Annotated[
        int, typer.Option(min=0, help="It draws the split and the annotators.")
    ] = CALIBRATION_SEED,
) -> None:
    """Write the dataset of one seed without any test image, for trying settings on its validation split."""
    write_dataset(out, read_material(training, None).training, (), seed=seed)


@app.command()
def judge(
    runs: Annotated[Path, typer.Argument(help="A folder with finished runs of the recipe photographs.")],
    unseen: Annotated[
        list[str] | None, typer.Option(help="A source of fakes that training did not have; repeat it.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="File that gets a row for each run.")] = None,
) -> None:
    """Print the comparison of finished runs: the arms, the differences, and whether a gain counts."""
    _print(runs, unseen or [])
    if csv is not None:
        csv.write_text(run_rows(runs), "utf-8")


def _print(runs: Path, unseen: list[str]) -> None:
    try:
        typer.echo(as_markdown(compare(runs, unseen)))
    except TrainingError as error:
        err.print(f"Error: {error}", markup=False)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
