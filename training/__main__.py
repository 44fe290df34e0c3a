"""`python -m training`: train a grid, evaluate, report and score, with folders and no database."""

import json
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from training.config import (
    CamClass,
    CamTensor,
    Recipe,
    Resize,
    RunConfig,
    Scaling,
    TrainingJob,
    load_recipe,
)
from training.errors import DatasetError, RecipeError, TrainingError
from training.events import EpochEvent, Event, FinishedEvent, HeartbeatEvent, StartedEvent, StepEvent

if TYPE_CHECKING:
    from training.evaluation.degraded import DegradedRow, Measured
    from training.grid import GridOutcome
    from training.reporting.finished_runs import ExternalDetector

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Train detectors that look where people looked, and find out whether it helps.",
)
out = Console(markup=False)
err = Console(stderr=True, markup=False)
"""Without markup: a path may have brackets in it."""

Data = Annotated[Path, typer.Option("--data", help="A dataset folder, as `cyborg dataset freeze` writes it.")]
DataOfRuns = Annotated[
    Path | None,
    typer.Option("--data", help="A folder that `cyborg dataset freeze` wrote; a plan does without."),
]
Runs = Annotated[
    Path | None, typer.Option("--out", help="Folder that gets one folder per run; a plan does without.")
]
RunDir = Annotated[Path, typer.Argument(help="The folder of a run that has a checkpoint.")]


@contextmanager
def user_errors() -> Iterator[None]:
    """A mistake of the user ends with one line and exit code 1."""
    try:
        yield
    except TrainingError as error:
        err.print(Text("Error: ", "red").append(str(error), "none"), soft_wrap=True)
        raise typer.Exit(1) from None


@app.command()
def fit(  # noqa: PLR0913, PLR0917 - one parameter for each option
    recipe: Annotated[
        str, typer.Argument(help="A TOML file, or the name of a recipe that ships: smoke, wacv2023, …")
    ],
    data: DataOfRuns = None,
    runs: Runs = None,
    seeds: Annotated[int | None, typer.Option(help="Only the first so many seeds of the recipe.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Another number of epochs than the recipe's.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Initial: timm, timm:TAG, package, none, or a file.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="At most so many images of each split: a trial, not a result.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Another side of the images in pixels.")] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="On a GPU: give up that the same seed gives the same weights.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop-at-failure", help="Do not go on with the other runs after one fails.")
    ] = False,
    leave_one_out: Annotated[
        bool,
        typer.Option("--leave-one-out", help="Train the grid once more without each generator in turn."),
    ] = False,
    train_until: Annotated[
        list[str] | None,
        typer.Option(
            help="Train the grid once more on generators released until this date; may be repeated."
        ),
    ] = None,
    released: Annotated[
        list[str] | None,
        typer.Option(help="NAME=DATE, a generator's release date, as in [released]; may be repeated."),
    ] = None,
    at_once: Annotated[
        int, typer.Option(min=1, help="Runs at a time on one device, each in a process of its own.")
    ] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and how long it may take, and stop.")
    ] = False,
    measure: Annotated[
        bool, typer.Option("--calibrate", help="With --dry-run: time each architecture on this device.")
    ] = False,
) -> None:
    """Train every run of a recipe: finished runs are skipped, interrupted ones resumed."""
    with user_errors():
        from training import grid as grids

        loaded = _loaded(recipe, data, leave_one_out=leave_one_out)
        loaded = grids.until_dates(loaded, train_until or [], released or [])
        changes = {"epochs": epochs, "weights": weights, "device": device, "limit": limit}
        changes |= {"image_size": image_size, "deterministic": False if fast else None}
        grid = grids.with_changes(
            loaded, {key: value for key, value in changes.items() if value is not None}, seeds
        )
        if dry_run:
            for line in grids.plan(loaded, grid, data, measure=measure):
                out.print(line, highlight=False, soft_wrap=True)
            return
        if data is None or runs is None:
            raise RecipeError("Training needs --data and --out; only --dry-run does without.")
        _fit_grid(grid, data, runs, at_once=at_once, stop_at_failure=stop)


def _loaded(recipe: str, data: Path | None, *, leave_one_out: bool) -> Recipe:
    from training.grid import leaving_one_out

    loaded = load_recipe(recipe)
    if not leave_one_out:
        return loaded
    if data is None:
        raise RecipeError("--leave-one-out needs --data, whose generators it leaves out.")
    return leaving_one_out(loaded, data)


def _fit_grid(grid: list[RunConfig], data: Path, runs: Path, *, at_once: int, stop_at_failure: bool) -> None:
    """Train the runs that are not finished, and print all results; exit code 1 if one failed."""
    from training import grid as grids
    from training.engine import distributed

    grids.require_possible(grid, data)
    out.quiet = err.quiet = not distributed.is_first()
    if at_once > 1:
        jobs = [TrainingJob(run=run, dataset=data, out=runs / run.name) for run in grid]
        outcome = _fit_side_by_side(jobs, at_once, stop_at_failure=stop_at_failure)
    else:
        outcome = grids.fit_all(
            grid, lambda run: _fit_one(run, data, runs / run.name), stop_at_failure=stop_at_failure
        )
    _print_results(grid, outcome)
    if outcome.failed:
        raise typer.Exit(1)


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917 - one parameter for each option
    run: RunDir,
    data: Data,
    split: Annotated[str, typer.Option(help="The split to meet.")] = "test",
    name: Annotated[
        str | None, typer.Option(help="Name of this evaluation; the dataset's folder name if not given.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    shard: Annotated[
        str, typer.Option(help="i/n: do the i-th of n equal shares; whoever ends last writes the result.")
    ] = "1/1",
    degrade: Annotated[
        list[str] | None,
        typer.Option(
            help="Degrade the images first: `jpeg:90,70,50,30 resize:.75,.5 blur:1,2 noise:5 crop:.9 webp:80 "
            "social`, in quotes or given again. One table, with the threshold that validation fixes."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="With --degrade: of noise and crops.")] = 0,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast", help="Without batch normalisation, on a GPU in float16; says what that may change."
        ),
    ] = False,
) -> None:
    """Score a split of any dataset with a trained run; writes RUN_DIR/evaluations/NAME."""
    with user_errors():
        if degrade:
            if shard != "1/1" or fast:
                raise RecipeError(
                    "--degrade does all images at once and exactly; leave out --shard and --fast."
                )
            _evaluate_degraded(run, data, degrade, split, name or data.resolve().name, device, seed)
            return
        from training.evaluation.shards import Shard
        from training.run import evaluate_dataset

        share, end = Shard.parse(shard), None
        with _bar() as bar:
            task = bar.add_task(f"evaluate {split}", total=None)
            for outcome in evaluate_dataset(
                run,
                data,
                split=split,
                name=name or data.resolve().name,
                device=device,
                shard=share,
                fast=fast,
            ):
                if isinstance(outcome, HeartbeatEvent):
                    bar.update(task, completed=outcome.done or 0, total=outcome.total)
                else:
                    end = outcome
        if isinstance(end, list):
            out.print(f"This share is done; {len(end)} parts of other shares are missing.", highlight=False)
            return
        for key, value in (end or {}).items():
            out.print(f"{key:32} {_number(value)}", highlight=False)
        if fast:
            _print_scoring(run / "evaluations" / (name or data.resolve().name) / f"{split}.json")


def _print_scoring(result: Path) -> None:
    """What fast scoring may have changed; nothing behind a frozen trunk, which is scored as ever."""
    record = json.loads(result.read_text()).get("scoring")
    if record is None:
        return
    bound = "" if record["auc_bound"] is None else f", and the AUC by at most {record['auc_bound']:.2g}"
    out.print(
        f"Fast scoring: {record['folded_layers']} layers folded, {record['precision']}. On "
        f"{record['checked_images']} images the score moved by at most {record['largest_difference']:.2g}; "
        f"if it does so on all, an image changes order with at most {record['most_ranks']} others{bound}.",
        highlight=False,
        soft_wrap=True,
    )


def _evaluate_degraded(
    run: Path, data: Path, degrade: list[str], split: str, name: str, device: str, seed: int
) -> None:
    from training.data.degradations import parse_degradations
    from training.run import evaluate_degraded

    degradations = parse_degradations(degrade)
    rows: list[DegradedRow] = []
    with _bar() as bar:
        task = bar.add_task(f"evaluate {split}", total=None)
        for outcome in evaluate_degraded(
            run, data, degradations, split=split, name=name, device=device, seed=seed
        ):
            if isinstance(outcome, list):
                rows = outcome
            else:
                bar.update(task, completed=outcome.done or 0, total=outcome.total)
    table = Table("degradation", "AUC", "accuracy", "balanced accuracy", "AP", "TPR at FPR 0.5 %")
    for row in rows:
        cells = (row.auc, row.accuracy, row.balanced_accuracy, row.ap, row.tpr_at_fpr)
        table.add_row(row.degradation, *map(_with_interval, cells))
    out.print(table)
    out.print(
        f"{rows[0].images} images; the threshold of every row is {rows[0].threshold:.4g}, from validation.",
        highlight=False,
    )


def _with_interval(one: "Measured") -> str:
    interval = "" if one.low is None else f" ({_number(one.low)} to {_number(one.high)})"
    return _number(one.value) + interval


@app.command()
def score(
    run: RunDir,
    images: Annotated[list[Path], typer.Argument(help="Image files of any format and size.")],
    cams: Annotated[
        Path | None, typer.Option("--cams", help="Folder that gets a picture of each map.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON object per image, with the image as seen and its map.")
    ] = False,
) -> None:
    """Print how fake each image looks to a trained run, as CSV: path, both logits, both scores."""
    with user_errors():
        from training.score import HEADER, score_images

        if not as_json:
            print(HEADER)
        for result in score_images(run, images, cams=cams, device=device):
            print(json.dumps(result.as_json()) if as_json else result.as_csv())


@app.command()
def teach(  # noqa: PLR0913, PLR0917 - one parameter for each option
    run: Annotated[Path, typer.Argument(help="The folder of a finished run: the teacher.")],
    data: Annotated[Path, typer.Option("--dataset", help="The dataset folder whose images get maps.")],
    out_dir: Annotated[Path, typer.Option("--out", help="The folder to write; it must not exist.")],
    method: Annotated[
        str,
        typer.Option(help="cam: the run's own maps; rise: by random masks; unet: a network learns to draw."),
    ] = "cam",
    splits: Annotated[str | None, typer.Option(help="Such as train,extra, which it is without this.")] = None,
    every_image: Annotated[
        bool, typer.Option("--all", help="Draw for images with a human map, too.")
    ] = False,
    masks: Annotated[int, typer.Option(min=1, help="With rise: how many masks.")] = 4000,
    grid: Annotated[int, typer.Option(min=1, help="With rise: cells of a mask along a side.")] = 7,
    seed: Annotated[int, typer.Option(min=0, help="With rise: of the masks.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Let a finished run draw maps for images that nobody painted, for `maps = "human_or_teacher"`."""
    with user_errors():
        from training.teach import teach as steps
        from training.teach import teach_settings

        settings = teach_settings(method, splits, every_image=every_image, masks=masks, grid=grid, seed=seed)
        with _bar() as bar:
            task = bar.add_task("teach", total=None)
            manifest = _follow(steps(run, data, out_dir, settings, device=device), bar, task)
        for sentence in manifest["cautions"]:
            out.print(f"caution: {sentence}", highlight=False, soft_wrap=True)
        out.print(f"{len(manifest['files'])} maps in {out_dir}", highlight=False, soft_wrap=True)


def _follow(
    steps: Generator[HeartbeatEvent, None, dict[str, Any]], bar: Progress, task: TaskID
) -> dict[str, Any]:
    """Show the heartbeats of a piece of work; returns its result."""
    while True:
        try:
            event = next(steps)
        except StopIteration as end:
            return dict(end.value)
        bar.update(task, description=event.doing, completed=event.done or 0, total=event.total)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    out_dir: Annotated[Path, typer.Argument(help="The folder to write; it must not exist.")],
) -> None:
    """Write a detector as ONNX (with its map) and safetensors, with a model card."""
    with user_errors():
        from training.export import export_run

        for name in export_run(run, out_dir):
            print(out_dir / name)


Scores = Annotated[
    list[Path] | None,
    typer.Option("--scores", help="CSV of somebody else's detector on the same images; may be given again."),
]


@app.command()
def report(
    runs: Annotated[Path, typer.Argument(help="A folder with finished runs in it, at any depth.")],
    out_dir: Annotated[Path, typer.Argument(help="Folder that gets the tables, the figures and index.html.")],
    scores: Scores = None,
) -> None:
    """Gather finished runs, and other detectors by their scores, into tables, tests and figures."""
    with user_errors():
        from training.reporting.report import report_steps

        detectors = _external_detectors(runs, scores or [])
        with _bar() as bar:
            task = bar.add_task("report", total=None)
            for step in report_steps(runs, out_dir, detectors):
                bar.update(task, completed=step.done, total=step.total)
        table = Table("architecture", "scenario", "seeds", "AUC", "sd")
        for row in step.summary:
            numbers = (str(row["seeds"]), _number(row["mean"]), _number(row["sd"]))
            table.add_row(row["architecture"], row["scenario"], *numbers)
        out.print(table)
        out.print(f"{out_dir / 'index.html'}", highlight=False, soft_wrap=True)


@app.command()
def audit(
    data: Annotated[Path, typer.Argument(help="A dataset folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find out whether labels can be told by what is not the face: the audit of a dataset folder."""
    with user_errors():
        from accuracy.shortcuts.audit import HEADINGS
        from training.data.audit import audit_dataset
        from training.data.dataset import load_dataset

        found = audit_dataset(load_dataset(data))
        if found is None:
            raise DatasetError("An audit needs at least 20 images of either label.")
        if as_json:
            print(json.dumps(found.as_record()))
            return
        table = Table(*HEADINGS)
        for row in found.rows:
            table.add_row(*row)
        out.print(table)
        for line in found.remarks:
            out.print(line, highlight=False, soft_wrap=True)


@app.command("compare-papers")
def compare_papers(
    runs: Annotated[
        Path | None, typer.Argument(help="A folder with finished runs; without it the papers alone.")
    ] = None,
) -> None:
    """Print the numbers of both papers beside ours, as the Markdown table of docs/reproduce.md."""
    with user_errors():
        from training.reporting.finished_runs import gather
        from training.reporting.published_results import as_markdown, comparison

        print(as_markdown(comparison(gather(runs) if runs else [])), end="")


def _external_detectors(runs: Path, files: list[Path]) -> "list[ExternalDetector]":
    """The detectors in files of scores, on the images that the runs were tested on."""
    from training.evaluation.external_scores import read_scores_file
    from training.evaluation.score_summary import summarise_scores
    from training.evaluation.score_table import read_score_table
    from training.reporting.finished_runs import ExternalDetector, gather

    if not files:
        return []
    truth = read_score_table(gather(runs)[0].scores_file).truth
    result = [imported for file in files for imported in read_scores_file(file, truth)]
    for name, count in Counter(imported.name for imported in result).items():
        if count > 1:
            raise DatasetError(f"{count} files hold scores of a detector {name}.")
    return [ExternalDetector(imported.name, summarise_scores(imported.scores)) for imported in result]


@app.command("import-weights")
def import_weights(
    file: Annotated[Path, typer.Argument(help="A checkpoint, such as the CYBORG authors' final_model.pth.")],
    out_dir: Annotated[Path, typer.Argument(help="The run folder to write; it must not exist.")],
    architecture: Annotated[
        str | None, typer.Option(help="Name of the network; the papers' four are recognised.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Side in pixels, if not the network's own.")] = None,
    scaling: Annotated[
        Scaling, typer.Option(help="Scale of pixels; half is -1 to 1, auto that of the network's weights.")
    ] = "auto",
    resize: Annotated[
        Resize, typer.Option(help="As the released code does it, if not said.")
    ] = "pil_bilinear",
    cam_tensor: Annotated[
        CamTensor | None, typer.Option(help="Of its maps; released for the papers' four, if not said.")
    ] = None,
    cam_class: Annotated[CamClass, typer.Option(help="The class that its maps explain.")] = "predicted",
) -> None:
    """Make a run folder of somebody else's weights, for `score` and `evaluate`."""
    with user_errors():
        from training.import_weights import import_weights as write
        from training.import_weights import in_words

        record = write(
            file,
            out_dir,
            architecture=architecture,
            image_size=image_size,
            scaling=scaling,
            resize=resize,
            cam_tensor=cam_tensor,
            cam_class=cam_class,
        )
        out.print(in_words(record), highlight=False, soft_wrap=True)
        out.print(f"{out_dir}: for `score` and `evaluate`", highlight=False, soft_wrap=True)


@app.command("import-und")
def import_und(
    root: Annotated[
        Path, typer.Argument(help="The folder of UND WACV 2023 CYBORG, with csvs/ and train/ in it.")
    ],
    out_dir: Annotated[Path, typer.Argument(help="The dataset folder to write; it must not exist.")],
    test_limit: Annotated[
        int | None, typer.Option(help="At most so many test images of each source.")
    ] = None,
) -> None:
    """Turn the CYBORG authors' folders into a dataset folder."""
    with user_errors():
        from training.data.import_und import import_und as steps

        with _bar() as bar:
            task = bar.add_task("import", total=None)
            for step in steps(root, out_dir, test_limit=test_limit):
                bar.update(task, completed=step.done, total=step.total)
                if step.note:
                    bar.console.print(step.note, highlight=False, soft_wrap=True)
        out.print(f"{step.done} images in {out_dir}", highlight=False)


def _fit_one(run: RunConfig, dataset: Path, folder: Path) -> FinishedEvent | None:
    """Train one run under a progress bar; None in a process that is not the first of several."""
    from training.run import run_job

    with _bar() as bar:
        task = bar.add_task(run.name, total=None)
        for event in run_job(TrainingJob(run=run, dataset=dataset, out=folder)):
            if isinstance(event, FinishedEvent):
                return event
            _show(bar, task, event)
    return None


def _fit_side_by_side(jobs: list[TrainingJob], at_once: int, *, stop_at_failure: bool) -> "GridOutcome":
    """Train several runs at a time, each under a bar of its own."""
    from training.side_by_side import fit_side_by_side

    with _bar() as bar:
        tasks: dict[str, TaskID] = {}

        def on_event(job: TrainingJob, event: Event) -> None:
            name = job.run.name
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=None)
            task = tasks[name]
            if isinstance(event, FinishedEvent):
                bar.update(task, visible=False)
            _show(bar, task, event, name=name)

        return fit_side_by_side(jobs, at_once=at_once, on_event=on_event, stop_at_failure=stop_at_failure)


def _show(bar: Progress, task: TaskID, event: Event, *, name: str = "") -> None:
    """Show an event of a run.

    name : of the run, before its epochs; empty where it is the only one
    """
    match event:
        case StartedEvent():
            total = event.epochs * event.steps_per_epoch
            bar.update(task, total=total, completed=(event.first_epoch - 1) * event.steps_per_epoch)
            for caution in event.cautions:
                bar.console.print(f"caution: {event.run}: {caution}", highlight=False, soft_wrap=True)
        case StepEvent():
            bar.update(task, completed=(event.epoch - 1) * event.steps + event.step)
        case EpochEvent():
            bar.console.print(f"{name}  {_epoch_line(event)}".strip(), highlight=False, soft_wrap=True)
        case _:
            pass


def _epoch_line(event: EpochEvent) -> str:
    entropies = f"{_number(event.cam_entropy)} (human {_number(event.human_entropy)})"
    val = f"{_number(event.val_accuracy)}{'*' if event.best else ' '}"
    return (
        f"epoch {event.epoch:3}/{event.epochs}  loss {_number(event.terms.get('loss'))}  "
        f"accuracy {_number(event.train_accuracy)} / val {val}  "
        f"CAM entropy {entropies}  {event.images_per_s:.0f} images/s"
    )


def _print_results(grid: list[RunConfig], outcome: "GridOutcome") -> None:
    table = Table("run", "best epoch", "val accuracy", "val AUC", "test accuracy", "test AUC")
    for run in grid:
        event = outcome.finished.get(run.name)
        result = event.metrics if event else {}
        keys = ("best_epoch", "val/accuracy", "val/auc", "test/accuracy", "test/auc")
        table.add_row(run.name, *(_number(result.get(key)) for key in keys))
    out.print(table)
    for name, reason in outcome.failed.items():
        err.print(Text("failed: ", "red").append(f"{name}: {reason}", "none"), soft_wrap=True)
    if outcome.failed:
        err.print(f"{len(outcome.failed)} of {len(grid)} runs failed.", highlight=False)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value == int(value) and abs(value) > 1 else f"{value:.3f}"


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=True)


if __name__ == "__main__":
    sys.exit(app())
