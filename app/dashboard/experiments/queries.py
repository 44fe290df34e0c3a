"""Experiments, runs and datasets as the pages list them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import false, func, or_, select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models import (
    UNFINISHED,
    BackgroundTask,
    Dataset,
    Experiment,
    JobState,
    MapSet,
    Run,
    RunEvent,
    Staff,
    Study,
    TaskKind,
)
from app.studies.service import is_real

PAGE_SIZE: Final = 50
MOST_EVENTS: Final = 2000  # in one answer; the page asks again for the rest


@dataclass(frozen=True, slots=True)
class ExperimentLine:
    """One line of the list of experiments: how many of its runs are in each state."""

    experiment: Experiment
    study: Study
    dataset: Dataset
    states: Mapping[JobState, int]

    @property
    def runs(self) -> int:
        return sum(self.states.values())

    @property
    def ended(self) -> int:
        return self.runs - sum(self.states.get(state, 0) for state in UNFINISHED)


def experiments(session: Session, *, before: int = 0, name: str = "") -> list[ExperimentLine]:
    """The newest first, one more than a page.

    before : the id of the last one seen
    name : only those that are called so; empty for all
    """
    query = (
        select(Experiment, Study, Dataset)
        .join(Dataset, Dataset.id == Experiment.dataset_id)
        .join(Study, Study.id == Dataset.study_id)
        .order_by(Experiment.id.desc())
        .limit(PAGE_SIZE + 1)
    )
    query = query.where(Experiment.id < before) if before else query
    rows = session.execute(query.where(Experiment.name == name) if name else query).all()
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
    states: dict[int, dict[JobState, int]] = {}
    for experiment, state, count in rows:
        states.setdefault(experiment, {})[state] = count
    return states


def datasets(session: Session, *, usable: bool = False, name: str = "") -> Sequence[Any]:
    """(dataset, study, map set), the newest 200 first; `usable` leaves stale ones out.

    name : only the dataset with this number, or with at least eight digits of its content hash; empty for all
    """
    query = (
        select(Dataset, Study, MapSet)
        .join(Study, Study.id == Dataset.study_id)
        .join(MapSet, MapSet.id == Dataset.map_set_id)
        .order_by(Dataset.id.desc())
        .limit(200)
    )
    if len(name) >= 8:
        query = query.where(Dataset.content_hash.startswith(name, autoescape=True))
    elif name:
        query = query.where(Dataset.id == int(name) if name.isdecimal() else false())
    return session.execute(query.where(Dataset.stale.is_(False)) if usable else query).all()


def freezable(session: Session) -> Sequence[Any]:
    """(map set, study) of every map set that is built, not stale and of no pilot, the newest first."""
    return session.execute(
        select(MapSet, Study)
        .join(Study, Study.id == MapSet.study_id)
        .where(MapSet.state == JobState.SUCCEEDED, MapSet.stale.is_(False), is_real())
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


def get_dataset(session: Session, dataset_id: int) -> Dataset:
    dataset = session.get(Dataset, dataset_id)
    if dataset is None:
        raise NotFound("Choose a dataset.")
    return dataset


def get_run(session: Session, run_id: UUID) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound("There is no such run.")
    return run


def events_after(session: Session, run: Run, after: int) -> Sequence[RunEvent]:
    """The events of a run after event `after`, at most `MOST_EVENTS`; of its many steps only the last one."""
    later = select(RunEvent).where(RunEvent.run_id == run.id, RunEvent.id > after).order_by(RunEvent.id)
    events = session.scalars(later.where(RunEvent.kind != "step").limit(MOST_EVENTS)).all()
    if len(events) == MOST_EVENTS:
        return events
    newest = session.scalar(later.order_by(None).order_by(RunEvent.id.desc()).limit(1))
    return [*events, newest] if newest is not None and newest.kind == "step" else events


def latest_runs(session: Session) -> Sequence[Any]:
    """Run, name and id of its experiment: unfinished first, then those that ended last; at most eight."""
    return session.execute(
        select(Run, Experiment.name, Experiment.id)
        .join(Experiment, Experiment.id == Run.experiment_id)
        .order_by(
            Run.state.in_(UNFINISHED).desc(),
            (Run.state == JobState.RUNNING).desc(),
            Run.ended_at.desc().nulls_last(),
            Run.job_id,
            Run.id,
        )
        .limit(8)
    ).all()


def count_unfinished_runs(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Run).where(Run.state.in_(UNFINISHED))) or 0


@dataclass(frozen=True, slots=True)
class Freeze:
    """A freeze that is under way, or that has just ended."""

    task: BackgroundTask
    map_set: MapSet | None
    study: Study | None

    @property
    def dataset(self) -> int | None:
        return (self.task.result or {}).get("dataset")


def freezes(session: Session) -> list[Freeze]:
    """Unfinished freezes and those that ended within the last hour; the newest first, at most ten."""
    an_hour_ago = func.now() - timedelta(hours=1)
    recent = or_(BackgroundTask.state.in_(UNFINISHED), BackgroundTask.ended_at > an_hour_ago)
    query = select(BackgroundTask).where(BackgroundTask.kind == TaskKind.FREEZE, recent)
    tasks = session.scalars(query.order_by(BackgroundTask.id.desc()).limit(10)).all()
    return [_freeze(session, task) for task in tasks]


def _freeze(session: Session, task: BackgroundTask) -> Freeze:
    map_set = session.get(MapSet, task.arguments["map_set"])
    return Freeze(task, map_set, session.get(Study, map_set.study_id) if map_set else None)
