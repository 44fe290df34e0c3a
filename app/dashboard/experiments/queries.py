"""Experiments, runs and datasets as the pages list them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.experiments.errands import UNDER_WAY
from app.experiments.service import Cell, Results
from app.models import (
    Dataset,
    Errand,
    ErrandKind,
    Experiment,
    JobState,
    MapSet,
    Run,
    RunEvent,
    Staff,
    Study,
)
from training.reporting.results import OTHER

PAGE_SIZE: Final = 50
MOST_EVENTS: Final = 2000  # in one answer; the page asks again for the rest


@dataclass(frozen=True, slots=True)
class ExperimentLine:
    experiment: Experiment
    study: Study
    dataset: Dataset
    states: Mapping[JobState, int]

    @property
    def runs(self) -> int:
        return sum(self.states.values())

    @property
    def ended(self) -> int:
        return self.runs - sum(self.states.get(state, 0) for state in (JobState.QUEUED, JobState.RUNNING))


def experiments(session: Session, *, before: int = 0) -> list[ExperimentLine]:
    """The newest first, one more than a page; `before`: the id of the last one seen."""
    query = (
        select(Experiment, Study, Dataset)
        .join(Dataset, Dataset.id == Experiment.dataset_id)
        .join(Study, Study.id == Dataset.study_id)
        .order_by(Experiment.id.desc())
        .limit(PAGE_SIZE + 1)
    )
    rows = session.execute(query.where(Experiment.id < before) if before else query).all()
    states = states_of(session, [experiment.id for experiment, _, _ in rows])
    return [
        ExperimentLine(experiment, study, dataset, states.get(experiment.id, {}))
        for experiment, study, dataset in rows
    ]


def states_of(session: Session, ids: Sequence[int]) -> dict[int, dict[JobState, int]]:
    """How many runs are in each state, by experiment."""
    rows = session.execute(
        select(Run.experiment_id, Run.state, func.count())
        .where(Run.experiment_id.in_(ids))
        .group_by(Run.experiment_id, Run.state)
    )
    found: dict[int, dict[JobState, int]] = {}
    for experiment, state, count in rows:
        found.setdefault(experiment, {})[state] = count
    return found


def datasets(session: Session, *, usable: bool = False) -> Sequence[Any]:
    """(dataset, study, map set), the newest first; `usable` leaves stale ones out."""
    query = (
        select(Dataset, Study, MapSet)
        .join(Study, Study.id == Dataset.study_id)
        .join(MapSet, MapSet.id == Dataset.map_set_id)
        .order_by(Dataset.id.desc())
        .limit(200)
    )
    return session.execute(query.where(Dataset.stale.is_(False)) if usable else query).all()


def freezable(session: Session) -> Sequence[Any]:
    """(map set, study) of every map set that is built and not stale, the newest first."""
    return session.execute(
        select(MapSet, Study)
        .join(Study, Study.id == MapSet.study_id)
        .where(MapSet.state == JobState.SUCCEEDED, MapSet.stale.is_(False))
        .order_by(MapSet.id.desc())
        .limit(200)
    ).all()


def get_experiment(session: Session, experiment_id: int) -> Experiment:
    experiment = session.get(Experiment, experiment_id)
    if experiment is None:
        raise NotFound(f"There is no experiment {experiment_id}.")
    return experiment


def author_of(session: Session, experiment: Experiment) -> str | None:
    return session.scalar(select(Staff.name).where(Staff.id == experiment.created_by))


def get_run(session: Session, run_id: UUID) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound("There is no such run.")
    return run


def events_after(session: Session, run: Run, after: int) -> Sequence[RunEvent]:
    """What a run said after event `after`, at most `MOST_EVENTS`. Of its many steps only the last is news."""
    news = select(RunEvent).where(RunEvent.run_id == run.id, RunEvent.id > after).order_by(RunEvent.id)
    told = session.scalars(news.where(RunEvent.kind != "step").limit(MOST_EVENTS)).all()
    if len(told) == MOST_EVENTS:
        return told
    newest = session.scalar(news.order_by(None).order_by(RunEvent.id.desc()).limit(1))
    return [*told, newest] if newest is not None and newest.kind == "step" else told


@dataclass(frozen=True, slots=True)
class Grid:
    """Results as a table: architectures down, objectives across."""

    architectures: list[str]
    objectives: list[str]
    cells: dict[tuple[str, str], Cell]

    @staticmethod
    def of(results: Results) -> "Grid":
        cells = {(cell.architecture, cell.objective): cell for cell in results.cells}
        architectures = list(dict.fromkeys(cell.architecture for cell in results.cells))
        objectives = list(dict.fromkeys(cell.objective for cell in results.cells))
        return Grid(architectures, objectives, cells)


@dataclass(frozen=True, slots=True)
class SourceAuc:
    """AUC of one source against the other class, by split; None where it is not defined."""

    source: str
    by_split: Mapping[str, float | None]


def aucs_by_source(metrics: Mapping[str, Any] | None, score: str) -> list[SourceAuc]:
    """From a run's flat metrics `<split>/auc_<score>/<source>`; nothing for a run without metrics."""
    found: dict[str, dict[str, float | None]] = {}
    for name, value in (metrics or {}).items():
        split, _, rest = name.partition("/")
        kind, _, source = rest.partition("/")
        if kind == f"auc_{score}" and source:
            found.setdefault(source, {})[split] = value
    return [SourceAuc(source, by_split) for source, by_split in sorted(found.items())]


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze that is under way, or that has just ended."""

    errand: Errand
    map_set: MapSet | None
    study: Study | None

    @property
    def dataset(self) -> int | None:
        return (self.errand.result or {}).get("dataset")


def freezes(session: Session) -> list[Freeze]:
    """What is under way, and what ended within the last hour; the newest first, at most ten."""
    recent = or_(Errand.state.in_(UNDER_WAY), Errand.ended_at > func.now() - timedelta(hours=1))
    query = select(Errand).where(Errand.kind == ErrandKind.FREEZE, recent)
    found = session.scalars(query.order_by(Errand.id.desc()).limit(10)).all()
    sets = {one: session.get(MapSet, one.arguments["map_set"]) for one in found}
    studies = {one.id: session.get(Study, one.study_id) for one in sets.values() if one}
    return [Freeze(errand, one, studies.get(one.id) if one else None) for errand, one in sets.items()]


MAPS: Final = ("average_human", "average_all", "average_real", "average_fake")
"""Pictures of a run's maps folder that pages show."""
MOST_SHOWN: Final = 10


def galleries(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    """Finished runs by architecture and objective, at most ten of each: the paper's grid of average maps."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.architecture, run.objective, run.seed)):
        if run.state is JobState.SUCCEEDED and (Path(run.folder) / "maps" / "average_all.png").is_file():
            own = found.setdefault((run.architecture, run.objective), [])
            if len(own) < MOST_SHOWN:
                own.append(run)
    return found


SOURCE_METRICS: Final = {
    "auc": "AUC",
    "eer": "EER",
    "tpr_at_fpr_0.01": "TPR at FPR 1 %",
    "apcer_at_bpcer_0.05": "APCER at BPCER 5 %",
    "acer": "ACER",
    "brier": "Brier",
    "calibration_error": "ECE",
}
"""Of all the numbers in scores.csv, those that a page shows."""


def by_source(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per detector, source and score, with (mean, deviation) of each number that the page shows."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        if row["metric"] in SOURCE_METRICS:
            key = tuple(row[name] for name in ("architecture", "scenario", "source", "score"))
            head = dict(zip(("architecture", "scenario", "source", "score"), key, strict=True))
            one = found.setdefault(key, {**head, "seeds": row["seeds"], "values": {}})
            one["values"][row["metric"]] = (row["mean"], row["sd"])
    return list(found.values())


def imported(summary: Iterable[Mapping[str, Any]]) -> list[tuple[str, float | None]]:
    """Each detector that was trained elsewhere, with its AUC."""
    return [
        (row["scenario"], row["mean"])
        for row in summary
        if row["architecture"] == OTHER and row["metric"] == "auc"
    ]


def is_simulated(dataset: Dataset) -> bool:
    """Whether any annotation behind the dataset's maps was made by a program."""
    return bool(dataset.parameters.get("simulated_annotations"))
