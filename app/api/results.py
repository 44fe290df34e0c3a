"""Map sets, analyses, datasets, experiments and runs: asked for, looked at, stopped."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.orm import Session

from app.analysis.queries import Choice, Who, checked
from app.analysis.requests import abort_analysis, find_analysis, request_analysis
from app.dashboard.experiments import queries as experiments
from app.dashboard.maps.queries import map_sets
from app.dashboard.studies.queries import analyses_of
from app.deps import CurrentStaff, Db, Editor
from app.experiments.service import abort_experiment, abort_run, runs_of
from app.maps.service import abort_map_set, find_map_set, request_map_set
from app.messages import Answer, Body
from app.models import Experiment, JobState, MapSet, Run, StudyAnalysis
from app.studies.service import find_study
from saliency.parameters import MapParameters

router: Final = APIRouter(prefix="/api")


class WorkView(Answer):
    """Background work of a study: a map set or an analysis."""

    version: int
    state: JobState
    done: int
    total: int
    """Steps that are done, of how many; 0 until they are counted."""
    error: str | None
    parameters: dict[str, Any]
    created_at: datetime
    built_at: datetime | None


class MapSetView(WorkView):
    """All saliency maps of a study under one set of parameters."""

    annotations: int | None
    stale: bool
    """A participant whose annotations are in it has withdrawn."""


class AnalysisLine(WorkView):
    """An analysis of a study's decisions."""


class AnalysisDetail(AnalysisLine):
    """An analysis with its estimates."""

    result: dict[str, Any] | None


class AnalysisRequest(Body):
    """Whose decisions count."""

    who: Who = "people"
    without: tuple[str, ...] = ()
    """Kinds of quality flags whose participants are left out."""


class MapSetRequest(Body):
    """What decides a map; those that are left out have the defaults of the CYBORG paper."""

    parameters: dict[str, Any] = Field(default_factory=dict)


class DatasetView(Answer):
    """A frozen dataset."""

    id: int
    content_hash: str
    study: str
    map_set: int
    counts: dict[str, Any]
    stale: bool
    created_at: datetime


class RunView(Answer):
    """One run of an experiment."""

    id: UUID
    architecture: str
    scenario: str
    seed: int
    state: JobState
    error: str | None
    metrics: dict[str, Any] | None
    started_at: datetime | None
    ended_at: datetime | None


class ExperimentView(Answer):
    """An experiment of the list: how many of its runs are in each state."""

    id: int
    name: str
    study: str
    dataset: int
    created_at: datetime
    states: dict[JobState, int]


class ExperimentDetail(Answer):
    """An experiment with its recipe and its runs."""

    id: int
    name: str
    dataset: int
    created_at: datetime
    recipe: dict[str, Any]
    runs: list[RunView]


@router.get("/studies/{slug}/maps", tags=["maps"])
def list_map_sets(db: Db, _staff: CurrentStaff, slug: str) -> list[MapSetView]:
    """The map sets of a study, the newest first."""
    return [MapSetView(**_facts(one, MapSetView)) for one in map_sets(db, find_study(db, slug))]


@router.post("/studies/{slug}/maps", status_code=202, tags=["maps"])
def build_maps(db: Db, _editor: Editor, slug: str, body: MapSetRequest) -> MapSetView:
    """Ask a worker for a map set; if it is there already, that one is the answer."""
    made = request_map_set(db, find_study(db, slug), MapParameters.from_dict(body.parameters))
    return _map_set(db, made)


@router.get("/studies/{slug}/maps/{version}", tags=["maps"])
def read_map_set(db: Db, _staff: CurrentStaff, slug: str, version: int) -> MapSetView:
    """One map set."""
    return _map_set(db, find_map_set(db, find_study(db, slug), version))


@router.post("/studies/{slug}/maps/{version}/abort", tags=["maps"])
def abort_maps(db: Db, _editor: Editor, slug: str, version: int) -> MapSetView:
    """Stop a build."""
    found = find_map_set(db, find_study(db, slug), version)
    abort_map_set(db, found)
    return _map_set(db, found)


@router.get("/studies/{slug}/analyses", tags=["analyses"])
def list_analyses(db: Db, _staff: CurrentStaff, slug: str) -> list[AnalysisLine]:
    """The analyses of a study, the newest first."""
    return [AnalysisLine(**_facts(one, AnalysisLine)) for one in analyses_of(db, find_study(db, slug))]


@router.post("/studies/{slug}/analyses", status_code=202, tags=["analyses"])
def analyse(db: Db, editor: Editor, slug: str, body: AnalysisRequest) -> AnalysisDetail:
    """Ask a worker for an analysis; if it is there already, that one is the answer."""
    study = find_study(db, slug)
    choice = checked(db, study.id, Choice(body.who, tuple(sorted(set(body.without)))))
    return _analysis(db, request_analysis(db, study, choice, staff_id=editor.id))


@router.get("/studies/{slug}/analyses/{version}", tags=["analyses"])
def read_analysis(db: Db, _staff: CurrentStaff, slug: str, version: int) -> AnalysisDetail:
    """One analysis, with every estimate."""
    return _analysis(db, find_analysis(db, find_study(db, slug), version))


@router.post("/studies/{slug}/analyses/{version}/abort", tags=["analyses"])
def stop_analysis(db: Db, _editor: Editor, slug: str, version: int) -> AnalysisDetail:
    """Stop an analysis."""
    found = find_analysis(db, find_study(db, slug), version)
    abort_analysis(db, found)
    return _analysis(db, found)


@router.get("/datasets", tags=["experiments"])
def list_datasets(db: Db, _staff: CurrentStaff) -> list[DatasetView]:
    """The newest 200 datasets."""
    names = ("id", "content_hash", "counts", "stale", "created_at")
    return [
        DatasetView(
            study=study.slug, map_set=made.version, **{name: getattr(dataset, name) for name in names}
        )
        for dataset, study, made in experiments.datasets(db)
    ]


@router.get("/experiments", tags=["experiments"])
def list_experiments(
    db: Db, _staff: CurrentStaff, before: Annotated[int, Query(ge=0, lt=2**63)] = 0
) -> list[ExperimentView]:
    """Experiments, the newest first; `before`: the number of the last one seen."""
    return [
        ExperimentView(
            id=line.experiment.id,
            name=line.experiment.name,
            study=line.study.slug,
            dataset=line.dataset.id,
            created_at=line.experiment.created_at,
            states=dict(line.states),
        )
        for line in experiments.experiments(db, before=before)[: experiments.PAGE_SIZE]
    ]


@router.get("/experiments/{experiment_id}", tags=["experiments"])
def read_experiment(db: Db, _staff: CurrentStaff, experiment_id: int) -> ExperimentDetail:
    """One experiment, with its recipe and its runs."""
    return _experiment(db, experiments.get_experiment(db, experiment_id))


@router.post("/experiments/{experiment_id}/abort", tags=["experiments"])
def stop_experiment(db: Db, _editor: Editor, experiment_id: int) -> ExperimentDetail:
    """Stop every run of an experiment that has not ended."""
    found = experiments.get_experiment(db, experiment_id)
    abort_experiment(db, found)
    return _experiment(db, found)


@router.get("/runs/{run_id}", tags=["experiments"])
def read_run(db: Db, _staff: CurrentStaff, run_id: UUID) -> RunView:
    """One run, with its metrics."""
    return _run(experiments.get_run(db, run_id))


@router.post("/runs/{run_id}/abort", tags=["experiments"])
def stop_run(db: Db, _editor: Editor, run_id: UUID) -> RunView:
    """Stop a run; its last checkpoint stays."""
    found = experiments.get_run(db, run_id)
    abort_run(db, found)
    return _run(found)


def _map_set(db: Session, found: MapSet) -> MapSetView:
    db.flush()
    return MapSetView(**_facts(found, MapSetView))


def _analysis(db: Session, found: StudyAnalysis) -> AnalysisDetail:
    db.flush()
    return AnalysisDetail(**_facts(found, AnalysisDetail))


def _experiment(db: Session, found: Experiment) -> ExperimentDetail:
    return ExperimentDetail(
        id=found.id,
        name=found.name,
        dataset=found.dataset_id,
        created_at=found.created_at,
        recipe=found.recipe,
        runs=[_run(one) for one in runs_of(db, found)],
    )


def _run(found: Run) -> RunView:
    return RunView(**_facts(found, RunView))


def _facts(row: object, shape: type[Answer]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in shape.model_fields}
