"""`cyborg dataset freeze`, `cyborg train`, `cyborg results`"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from base64 import b64decode
from collections import Counter
from dataclasses import asdict
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID
from rich.table import Table
from typer.core import TyperGroup

from app.cli import app, complaints
from app.cli.context import Context, opened
from app.cli.remote import Remote, remote
from app.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.experiments.detectors import ImportSummary
    from app.models import JobState, Run
    from training.config import Recipe
    from training.events import Event

datasets = typer.Typer(help="Frozen datasets.", no_args_is_help=True)
app.add_typer(datasets, name="dataset")

CHANCE: Final = 0.5
NUMBERS: Final = {"logit_real": ".9g", "logit_fake": ".9g", "score_sigmoid": ".6f", "score_softmax": ".6f"}
SCORED: Final = ("path", *NUMBERS)
"""Columns of `score`, as `training` prints them."""
DEGRADED: Final = {
    "auc": "AUC",
    "balanced_accuracy": "balanced accuracy",
    "ap": "AP",
    "tpr_at_fpr": "TPR at FPR 0.5 %",
}
"""Numbers of a table of degraded images, and what they are called."""

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@datasets.command("freeze")
def freeze(  # noqa: PLR0913, PLR0917 - one parameter for each option
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    out_dir: Annotated[Path | None, typer.Argument(help="Folder to write; the data folder if none.")] = None,
    map_set: Annotated[int | None, typer.Option(help="Version of the map set; the newest if none.")] = None,
    crop: Annotated[bool, typer.Option(help="Cut out the face where its box is known.")] = True,
    size: Annotated[int, typer.Option(help="Side of every image in pixels.")] = 299,
    val: Annotated[float, typer.Option(help="Fraction for validation, if no image has that split.")] = 0.15,
    test: Annotated[float, typer.Option(help="Fraction for the test, if no image has that split.")] = 0.25,
    seed: Annotated[int, typer.Option(help="Decides which images are set aside.")] = 0,
    test_on_unshown: Annotated[
        bool, typer.Option("--test-on-unshown", help="Give images that no study shows the split test first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Freeze the images, labels, maps and splits of a study into a folder that training reads."""
    from app.experiments.datasets import audit_of, checked_parameters, freeze_dataset
    from app.maps.service import find_map_set
    from app.studies.service import find_study

    parameters = checked_parameters(crop=crop, size=size, val=val, test=test, seed=seed)
    if server := remote():
        if out_dir is not None:
            raise BadInput("A server keeps its datasets in its own folder; leave OUT_DIR out.")
        asked = {"study": study, "map_set": map_set, "parameters": parameters.model_dump(mode="json")}
        task = server.post("/api/datasets", json=asked | {"test_on_unshown": test_on_unshown}).json()
        print(json.dumps(task) if as_json else f"Task {task['id']} waits for a worker of {server.url}.")
        return
    if test_on_unshown:
        _set_aside_unshown(study)
    with opened() as context, context.sessions.begin() as session, _bar() as progress:
        task = progress.add_task("Freezing", total=None)
        dataset = freeze_dataset(
            session,
            context.blobs,
            find_map_set(session, find_study(session, study), map_set),
            out_dir,
            datasets_dir=context.settings.datasets_dir,
            parameters=parameters,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
        folder = str(out_dir or dataset.folder)
        summary = {"dataset": dataset.id, "content_hash": dataset.content_hash, "folder": folder}
        counts = dataset.counts
        found = audit_of(dataset)
    warnings = found.warnings if found else []
    if as_json:
        print(json.dumps({**summary, "counts": counts, "warnings": warnings}))
        return
    print(_frozen(summary, counts))
    for line in warnings:
        print(f"Warning: {line}")


def _set_aside_unshown(study: str) -> None:
    """Give unshown images the split test, in a short transaction because it locks out new studies."""
    from app.stimuli.setting_aside import set_aside_unshown
    from app.studies.service import find_study

    with opened() as context, context.sessions.begin() as session:
        count = set_aside_unshown(session, find_study(session, study))
    print(f"{count} images that no study shows have the split test now.", file=sys.stderr)


def _frozen(summary: dict[str, Any], counts: dict[str, dict[str, int]]) -> str:
    splits = ", ".join(
        f"{split} {row['images']} ({row['with_map']} with map)" for split, row in counts.items()
    )
    return f"Dataset {summary['dataset']} in {summary['folder']}: {splits}."


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or the name of a recipe that ships.")],
    dataset: Annotated[str, typer.Option(help="A dataset: its number, its hash, or its folder.")],
    name: Annotated[str | None, typer.Option(help="Name of the experiment; the recipe's if none.")] = None,
    foreground: Annotated[bool, typer.Option("--foreground", help="Train here and now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Queue every run of a recipe for the workers, or train them here."""
    from app.experiments.datasets import find_dataset
    from app.experiments.service import request_experiment

    loaded = _recipe(recipe)
    if server := remote():
        if foreground:
            raise BadInput("--foreground trains on this machine; leave out --server.")
        _start_there(server, recipe, dataset, name, as_json=as_json)
        return
    with opened() as context:
        with context.sessions.begin() as session:
            experiment = request_experiment(
                session,
                find_dataset(session, dataset),
                loaded,
                name=name or loaded.name,
                staff_id=None,
                runs_dir=context.settings.runs_dir,
                devices=context.settings.devices,
                queued=not foreground,
            )
        if foreground:
            _train_here(context, experiment.id)
            _show_results(context, str(experiment.id), as_json=as_json)
            return
    count = len(loaded.runs())
    summary = {"experiment": experiment.id, "runs": count}
    print(json.dumps(summary) if as_json else f"Experiment {experiment.id}: {count} runs wait for a worker.")


def _start_there(server: Remote, recipe: str, dataset: str, name: str | None, *, as_json: bool) -> None:
    """The recipe's text goes over the wire where it is a file: the server has only those that ship."""
    asked: dict[str, Any] = {"dataset": number_of_dataset(server, dataset), "name": name or ""}
    asked |= {"toml": Path(recipe).read_text("utf-8")} if Path(recipe).is_file() else {"recipe": recipe}
    made = server.post("/api/experiments", json=asked).json()
    summary = {"experiment": made["id"], "runs": len(made["runs"])}
    print(
        json.dumps(summary)
        if as_json
        else f"Experiment {made['id']}: {len(made['runs'])} runs wait for a worker of {server.url}."
    )


def number_of_dataset(server: Remote, dataset: str) -> int:
    """The number of a server's dataset, which is named by its number or hash."""
    known = server.get("/api/datasets", params={"name": dataset[:64]}).json()
    found = [one["id"] for one in known]
    if not found:
        raise BadInput(f"{server.url} has no dataset with the number or hash {dataset}.")
    return int(found[0])


class ShowByDefault(TyperGroup):
    """`cyborg results grid` means `cyborg results show grid`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = [argument for argument in args if not argument.startswith("-")]
        if words and words[0] not in self.commands:
            args = ["show", *args]
        return super().parse_args(ctx, args)


outcomes = typer.Typer(help="What came out of an experiment.", no_args_is_help=True, cls=ShowByDefault)
app.add_typer(outcomes, name="results")


@outcomes.command("show")
def show_results(
    experiment: Annotated[str, typer.Argument(help="Number or name of the experiment.")],
    as_json: AsJson = False,
) -> None:
    """Print the AUC of each architecture and scenario: mean ± standard deviation over seeds.

    The word `show` may be left out.
    """
    if server := remote():
        _print_results(_results_there(server, experiment), as_json=as_json)
        return
    with opened() as context:
        _show_results(context, experiment, as_json=as_json)


@outcomes.command("degraded")
def show_degraded(
    experiment: Annotated[str, typer.Argument(help="Number or name of the experiment.")],
    as_json: AsJson = False,
) -> None:
    """Print what its runs reach on degraded images, where `python -m training evaluate --degrade` met any."""
    from app.experiments.outcomes import outcome_of
    from app.experiments.service import find_experiment

    if server := remote():
        rows = server.get(f"/api/experiments/{_number_there(server, experiment)}/degraded").json()
    else:
        with opened() as context, context.sessions() as session:
            rows = outcome_of(session, context.blobs, find_experiment(session, experiment)).degraded()
    if as_json:
        print(json.dumps(rows))
        return
    if not rows:
        print(f"No run of {experiment} was evaluated on degraded images.")
        return

    def where(row: dict[str, Any]) -> tuple[str, str]:
        return row["evaluation"], row["split"]

    for (evaluation, split), of_evaluation in groupby(sorted(rows, key=where), key=where):
        table = Table(
            "detector", "degradation", "seeds", *DEGRADED.values(), title=escape(f"{evaluation}, {split}")
        )
        for row in of_evaluation:
            heads = (f"{row['architecture']} {row['scenario']}", row["degradation"], str(row["seeds"]))
            table.add_row(*heads, *(_within(row, name) for name in DEGRADED))
        Console().print(table)


def _within(row: dict[str, Any], name: str) -> str:
    """A number with its interval."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    return f"{value:.3f}" + ("" if low is None else f" ({low:.3f} to {high:.3f})")


def _results_there(server: Remote, name: str) -> dict[str, Any]:
    return dict(server.get(f"/api/experiments/{_number_there(server, name)}/results").json())


def _number_there(server: Remote, name: str) -> str | int:
    """Of the experiment with this number, or of the newest one of that name."""
    from app.errors import NotFound

    number: str | int = name
    if not name.isdecimal():
        called = server.get("/api/experiments", params={"name": name}).json()
        if not called:
            raise NotFound(f"There is no experiment {name!r}.")
        number = called[0]["id"]
    return number


@outcomes.command("import-scores")
def import_scores_file(
    file: Annotated[Path, typer.Argument(help="CSV with the columns image and score; higher is more fake.")],
    dataset: Annotated[
        str, typer.Option(help="The dataset whose test images were scored: its number, hash or folder.")
    ],
    name: Annotated[str | None, typer.Option(help="Name of the detector; the file's if none.")] = None,
    as_json: AsJson = False,
) -> None:
    """Import the scores of an external detector on the test images of a dataset."""
    from app.experiments.detectors import ImportSummary

    content = file.read_bytes()
    if server := remote():
        address = f"/api/datasets/{number_of_dataset(server, dataset)}/detectors"
        sent = {"files": {"file": (file.name, content)}, "data": {"name": name} if name else {}}
        detectors = [ImportSummary(**one) for one in server.post(address, **sent).json()]
    else:
        detectors = _imported_here(content, file.name, dataset, name)
    if as_json:
        print(json.dumps([asdict(detector) for detector in detectors]))
        return
    for detector in detectors:
        auc = "–" if detector.auc is None else f"{detector.auc:.4f}"
        left_out = f"; {detector.ignored} rows about other splits were left out" if detector.ignored else ""
        print(f"{detector.name}: {detector.images} images, AUC {auc}{left_out}.")
        if detector.auc is not None and detector.auc < CHANCE:
            complaints.print(f"{escape(detector.name)} is below chance: perhaps its higher scores mean real.")


def _imported_here(content: bytes, called: str, dataset: str, name: str | None) -> list[ImportSummary]:
    from app.experiments.datasets import find_dataset
    from app.experiments.detectors import import_scores

    with opened() as context, context.sessions.begin() as session:
        found = find_dataset(session, dataset)
        return import_scores(session, context.blobs, found, content, called=called, name=name)


@app.command("score")
def score_image_files(
    run: Annotated[str, typer.Argument(help="A finished run: its id or its folder.")],
    images: Annotated[list[Path], typer.Argument(help="Image files: face crops like those of the dataset.")],
    cams: Annotated[Path | None, typer.Option(help="Folder that gets a picture of each map.")] = None,
) -> None:
    """Print how fake each image looks to a trained detector, as CSV."""
    if server := remote():
        _score_there(server, run, images, cams)
        return
    command = [sys.executable, "-m", "training", "score", str(_run_folder(run)), *map(str, images)]
    done = subprocess.run([*command, *(("--cams", str(cams)) if cams else ())], check=False)  # noqa: S603
    raise typer.Exit(done.returncode)


def _score_there(server: Remote, run: str, images: list[Path], cams: Path | None) -> None:
    """Each image is sent, scored by a worker of the server, and deleted there; waits for the worker."""
    from saliency.files.spreadsheets import cell

    address = f"/api/runs/{_run_id(run, 'no id of a run, which a server needs')}/scores"
    if cams is not None:
        _require_own_names(images)
        cams.mkdir(parents=True, exist_ok=True)
    print(",".join(SCORED), flush=True)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for path in images:
        content = {"image": (path.name, path.read_bytes())}
        task = server.post(address, files=content).json()["id"]
        with complaints.status(f"{escape(path.name)} waits for a worker of {server.url} …"):
            found = _named(path, partial(server.finished, task))
        if cams is not None:
            if not found.get("cam_grey"):
                raise BadInput(f"{server.url} is of an earlier version, which sends no maps.")
            (cams / f"{path.stem}.png").write_bytes(b64decode(found["cam_grey"]))
        numbers = [f"{found[name]:{form}}" for name, form in NUMBERS.items()]
        writer.writerow([cell(str(path)), *numbers])
        sys.stdout.flush()


def _named(path: Path, ask: Callable[[], Any]) -> Any:
    """What is asked for; a refusal names the file that it is about."""
    try:
        return ask()
    except BadInput as refused:
        raise BadInput(f"{path}: {refused}") from None


def _require_own_names(images: Sequence[Path]) -> None:
    """Each map is called after its image."""
    stem, count = Counter(path.stem for path in images).most_common(1)[0]
    if count > 1:
        raise BadInput(f"{count} images are called {stem}; their maps would be one file.")


def _run_id(run: str, what_else: str) -> UUID:
    """`BadInput`, which says what it is instead, for what is no id."""
    try:
        return UUID(run)
    except ValueError:
        raise BadInput(f"{run} is {what_else}.") from None


def _run_folder(run: str) -> Path:
    """The folder itself, or that of the run with this id."""
    from app.errors import NotFound
    from app.models import Run

    if Path(run).is_dir():
        return Path(run)
    with opened() as context, context.sessions() as session:
        run_row = session.get(Run, _run_id(run, "neither a folder nor the id of a run"))
        if run_row is None:
            raise NotFound(f"There is no run {run}.")
        return Path(run_row.folder)


def _recipe(source: str) -> Recipe:
    from training.config import load_recipe
    from training.errors import TrainingError

    try:
        return load_recipe(source)
    except TrainingError as error:
        raise BadInput(str(error)) from error


def _train_here(context: Context, experiment_id: int) -> None:
    """Train the runs of an experiment one after the other; Ctrl-C aborts all that have not ended."""
    from app.experiments.service import abort_experiment, find_experiment, runs_of

    with context.sessions() as session:
        runs = runs_of(session, find_experiment(session, str(experiment_id)))
    try:
        with _bar() as progress:
            for run in runs:
                _train_one(context, run, progress)
    except KeyboardInterrupt:
        with context.sessions.begin() as session:
            abort_experiment(session, find_experiment(session, str(experiment_id)))
        raise typer.Abort from None


def _train_one(context: Context, run: Run, progress: Progress) -> None:
    from app.audit.recording import unwatched
    from app.experiments.records import state_of
    from app.experiments.supervisor import SupervisorOptions, supervise
    from app.models import JobState

    task = progress.add_task(_title(run), total=None)

    def aborted_by_staff() -> JobState | None:
        state = state_of(context.sessions, run.id)
        return state if state is JobState.ABORTED else None

    def show(event: Event) -> None:
        _show(progress, task, event)

    sessions = unwatched(context.sessions)  # what a run reports is no change of a person's
    options = SupervisorOptions(should_stop=aborted_by_staff, on_event=show)
    state = supervise(sessions, run.id, options)
    if state is JobState.FAILED:
        complaints.print(f"[red]{_title(run)}:[/red] {_error(context, run)}")


def _title(run: Run) -> str:
    return f"{run.architecture} {run.scenario} seed {run.seed}"


def _error(context: Context, run: Run) -> str | None:
    from app.models import Run

    with context.sessions() as session:
        return session.get_one(Run, run.id).error


def _show(progress: Progress, task: TaskID, event: Event) -> None:
    from training.events import EpochEvent, StepEvent

    match event:
        case StepEvent(epoch=epoch, step=step, steps=steps):
            progress.update(task, completed=(epoch - 1) + step / steps)
        case EpochEvent(epoch=epoch, epochs=epochs):
            progress.update(task, completed=epoch, total=epochs)


def _show_results(context: Context, name: str, *, as_json: bool) -> None:
    from app.experiments.service import find_experiment, results

    with context.sessions() as session:
        summary = results(session, find_experiment(session, name))
    _print_results(summary.to_json(), as_json=as_json)


def _print_results(summary: dict[str, Any], *, as_json: bool) -> None:
    print(json.dumps(summary)) if as_json else Console(soft_wrap=True).print(_table(summary))


def _table(summary: dict[str, Any]) -> Table:
    states = ", ".join(f"{count} {state}" for state, count in sorted(summary["states"].items()))
    about = f"{summary['name']} (experiment {summary['experiment']})"
    table = Table(title=f"{about}: {summary['metric']}; {states}")
    for column in ("architecture", "scenario", "AUC", "runs"):
        table.add_column(column)
    for cell in summary["cells"]:
        finished = f"{cell['n']} of {cell['runs']}"
        table.add_row(cell["architecture"], cell["scenario"], _figure(cell["mean"], cell["sd"]), finished)
    return table


def _figure(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return "-"
    return f"{mean:.4f}" if sd is None else f"{mean:.4f} ± {sd:.4f}"


def _bar() -> Progress:
    return Progress(console=complaints, transient=True)
