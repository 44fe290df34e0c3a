"""Experiments: request a grid of runs, abort it, and summarise its results."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.background import WorkKind, abort, queue_work
from app.errors import NotFound, WrongState
from app.jobs import TRAIN
from app.models import UNFINISHED, Dataset, Experiment, Run
from training.config import Recipe
from training.data.dataset import load_dataset
from training.data.selection import require_images
from training.errors import DatasetError

RUNS: Final = WorkKind(Run, "run", TRAIN, "run_id")

HEADLINE: Final = ("test/auc", "val/auc")
"""Metrics of a result table, by preference: on the test split, or on validation without a test split."""


def request_experiment(
    session: Session,
    dataset: Dataset,
    recipe: Recipe,
    *,
    name: str,
    staff_id: int | None,
    runs_dir: Path,
    devices: int = 1,
    queued: bool = True,
) -> Experiment:
    """Add an experiment, its runs, and one job for each, in the caller's transaction.

    devices : runs are spread over so many devices; those of one device run one after the other
    queued : False when the caller trains the runs
    `WrongState`: see `require_trainable`
    """
    require_trainable(dataset, recipe)
    experiment = Experiment(
        name=name, dataset_id=dataset.id, recipe=recipe.model_dump(mode="json"), created_by=staff_id
    )
    session.add(experiment)
    session.flush()  # the runs refer to it
    runs = _planned(experiment, recipe, runs_dir)
    session.add_all(runs)
    session.flush()  # the jobs refer to them
    if queued:
        for number, run in enumerate(runs):
            # A run on several devices takes the first ones, so its lock is that of the first.
            device = number % devices if run.config["devices"] == 1 else 0
            queue_work(session, RUNS, run, lock=f"device:{device}")
    return experiment


def require_trainable(dataset: Dataset, recipe: Recipe) -> None:
    """`WrongState`: the dataset is stale, or lacks maps, images or judgements that the recipe needs."""
    if dataset.stale:
        raise WrongState("This dataset holds the work of somebody who withdrew; freeze it again.")
    _require_images(dataset, recipe)
    for run in recipe.runs():
        with_map = [
            dataset.counts[split]["with_map"] for split in run.train_splits if split in dataset.counts
        ]
        if run.needs_maps_of_the_dataset and with_map and not any(with_map):
            raise WrongState(
                f"{run.scenario_name} compares with human maps, and no training image of this dataset "
                "has one."
            )


def _require_images(dataset: Dataset, recipe: Recipe) -> None:
    """Of each scenario with what is kept from it: seeds and architectures have the same images."""
    asking = [
        run
        for run in recipe.model_copy(update={"seeds": recipe.seeds[:1]}).runs()
        if run.architecture == recipe.architectures[0] and run.asks_for_images
    ]
    if not asking:
        return
    try:
        folder = load_dataset(Path(dataset.folder))
        for run in asking:
            require_images(run, folder)
    except DatasetError as error:
        raise WrongState(str(error)) from None


def _planned(experiment: Experiment, recipe: Recipe, runs_dir: Path) -> list[Run]:
    folder = runs_dir / str(experiment.id)
    return [
        Run(
            experiment_id=experiment.id,
            architecture=config.architecture,
            scenario=config.scenario_name,
            seed=config.seed,
            config=config.model_dump(mode="json"),
            folder=str(folder / config.name),
        )
        for config in recipe.runs()
    ]


def find_experiment(session: Session, name: str) -> Experiment:
    """An experiment by its id, or the newest one of that name."""
    query = select(Experiment).where(Experiment.name == name).order_by(Experiment.id.desc()).limit(1)
    if name.isdecimal() and len(name) < 16:
        query = select(Experiment).where(Experiment.id == int(name))
    experiment = session.scalar(query)
    if experiment is None:
        raise NotFound(f"There is no experiment {name!r}.")
    return experiment


def runs_of(session: Session, experiment: Experiment) -> Sequence[Run]:
    """The runs of an experiment in the order of its recipe's seeds."""
    query = select(Run).where(Run.experiment_id == experiment.id)
    return session.scalars(query.order_by(Run.seed, Run.architecture, Run.scenario)).all()


def abort_run(session: Session, run: Run) -> None:
    """Abort a queued or running run; its last checkpoint stays."""
    abort(session, RUNS, run)


def abort_experiment(session: Session, experiment: Experiment) -> int:
    """Abort every run that has not ended; returns how many those are."""
    unfinished = [run for run in runs_of(session, experiment) if run.state in UNFINISHED]
    for run in unfinished:
        abort_run(session, run)
    return len(unfinished)


@dataclass(frozen=True, slots=True)
class ResultCell:
    """One architecture with one scenario, over the seeds that have succeeded."""

    architecture: str
    scenario: str
    runs: int
    n: int
    """Runs that have the metric."""
    mean: float | None
    sd: float | None
    """Sample standard deviation over the seeds; none below two."""


@dataclass(frozen=True, slots=True)
class ExperimentResults:
    experiment: int
    name: str
    metric: str
    states: dict[str, int]
    cells: list[ResultCell]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def results(session: Session, experiment: Experiment) -> ExperimentResults:
    """Mean and standard deviation of the AUC over seeds, for each architecture and scenario."""
    runs = runs_of(session, experiment)
    metric = _headline(runs)
    states: dict[str, int] = defaultdict(int)
    grid: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        states[run.state.value] += 1
        grid.setdefault((run.architecture, run.scenario), []).append(run)
    cells = [_cell(key, of_cell, metric) for key, of_cell in grid.items()]
    return ExperimentResults(experiment.id, experiment.name, metric, dict(states), cells)


def _headline(runs: Iterable[Run]) -> str:
    metrics = {name for run in runs for name in run.metrics or {}}
    return next((name for name in HEADLINE if name in metrics), HEADLINE[0])


def _cell(key: tuple[str, str], runs: Sequence[Run], metric: str) -> ResultCell:
    values = [run.metrics[metric] for run in runs if run.metrics and run.metrics.get(metric) is not None]
    mean = statistics.fmean(values) if values else None
    sd = statistics.stdev(values) if len(values) > 1 else None
    return ResultCell(*key, runs=len(runs), n=len(values), mean=mean, sd=sd)
