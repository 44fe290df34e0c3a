"""Experiments, runs and datasets as the pages list them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.experiments.service import Cell, Results
from app.models import Dataset, Experiment, JobState, MapSet, Run, RunEvent, Staff, Study

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


def is_simulated(dataset: Dataset) -> bool:
    """Whether any annotation behind the dataset's maps was made by a program."""
    return bool(dataset.parameters.get("simulated_annotations"))
