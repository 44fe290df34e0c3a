"""Datasets, experiments, runs and detectors: asked for, looked at, stopped."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.api.images import ShortcutAuditView
from app.dashboard.experiments import queries as experiments
from app.dashboard.experiments.recipes import chosen_recipe
from app.deps import Blobs, Config, CurrentStaff, Db, Editor
from app.errors import NotFound
from app.experiments.background_tasks import (
    abort_own_task,
    find_task,
    request_export,
    request_freeze,
    request_score,
)
from app.experiments.datasets import DEFAULT, FreezeParameters, audit_of
from app.experiments.detectors import import_scores, remove_detector
from app.experiments.outcomes import outcome_of
from app.experiments.scoring import face_of
from app.experiments.service import (
    abort_experiment,
    abort_run,
    request_experiment,
    results,
    runs_of,
)
from app.maps.service import find_map_set
from app.messages import Answer, Body, facts_of
from app.models import BackgroundTask, Dataset, Experiment, JobState, Run, Staff, TaskKind
from app.stimuli.setting_aside import set_aside_unshown
from app.storage import BlobStore
from app.studies.service import find_study

router: Final = APIRouter(prefix="/api", tags=["experiments"])

Number = Annotated[int, Field(ge=1, lt=2**63)]


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


class TaskView(Answer):
    """A freeze, the export of a detector, an image that is scored, or an audit of images for shortcuts."""

    id: int
    kind: TaskKind
    state: JobState
    done: int
    total: int
    """Steps that are done, of how many; 0 until they are counted."""
    error: str | None
    result: dict[str, Any] | None
    """Of a freeze: the number of the `dataset`; of an export: its `bytes`; of an image: its scores; of an
    audit: `audit`, which is null for few images."""
    created_at: datetime


class ResultCellView(Answer):
    """One architecture with one scenario, over the seeds that have succeeded."""

    architecture: str
    scenario: str
    runs: int
    n: int
    """Runs that have the metric."""
    mean: float | None
    sd: float | None
    """Sample standard deviation over the seeds; null below two."""


class DegradedView(Answer):
    """A scenario on images after one degradation: means with 95 % intervals, null where not defined."""

    architecture: str
    scenario: str
    evaluation: str
    split: str
    degradation: str
    """`none`: the images as they are."""
    seeds: int
    images: int
    intervals_over: Literal["seeds", "images"]
    auc: float | None
    auc_low: float | None
    auc_high: float | None
    balanced_accuracy: float | None
    balanced_accuracy_low: float | None
    balanced_accuracy_high: float | None
    ap: float | None
    ap_low: float | None
    ap_high: float | None
    tpr_at_fpr: float | None
    tpr_at_fpr_low: float | None
    tpr_at_fpr_high: float | None


class ResultsView(Answer):
    """What came out of an experiment."""

    experiment: int
    name: str
    metric: str
    states: dict[JobState, int]
    cells: list[ResultCellView]


class FreezeRequest(Body):
    """A map set, and how a dataset is made of it."""

    study: str
    map_set: Number | None = None
    """Its version; the newest one that is built, if left out."""
    parameters: FreezeParameters = DEFAULT
    test_on_unshown: bool = False
    """Give images that no study shows the split test first."""


class ExperimentRequest(Body):
    """A recipe on a dataset."""

    dataset: Number
    recipe: str = Field("", max_length=100)
    """One that comes with the platform."""
    toml: str = Field("", max_length=100_000)
    """Another recipe, as text."""
    name: str = Field("", max_length=100)
    """The recipe's, if left out."""


class DetectorView(Answer):
    """A detector that was trained elsewhere, and its scores on the test images of a dataset."""

    name: str
    images: int
    ignored: int
    """Rows about images of other splits."""
    auc: float | None


class DetectorForm(BaseModel):
    """A CSV file with the columns `image` and `score`."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile
    name: Annotated[str, Field(max_length=60)] = ""
    """Of the detector; the file's, if left out."""


class ScoringForm(BaseModel):
    """An image file that a detector scores."""

    model_config = ConfigDict(extra="forbid")

    image: UploadFile
    face: Annotated[str, Field(max_length=100)] = ""
    """`x, y, width, height` in pixels; empty for an image that is a face crop already."""


@router.get("/datasets")
def list_datasets(
    db: Db, _staff: CurrentStaff, name: Annotated[str, Query(max_length=64)] = ""
) -> list[DatasetView]:
    """The newest 200 datasets; `name`: the one of that number, or whose hash begins so (8 digits or more)."""
    names = ("id", "content_hash", "counts", "stale", "created_at")
    return [
        DatasetView(
            study=study.slug, map_set=made.version, **{name: getattr(dataset, name) for name in names}
        )
        for dataset, study, made in experiments.datasets(db, name=name)
    ]


@router.post("/datasets", status_code=202)
def freeze_dataset(db: Db, config: Config, editor: Editor, body: FreezeRequest) -> TaskView:
    """Ask a worker to freeze a dataset; the task ends with its number."""
    study = find_study(db, body.study)
    map_set = find_map_set(db, study, body.map_set)
    if body.test_on_unshown:
        set_aside_unshown(db, study)
    return _task(
        db,
        request_freeze(db, map_set, body.parameters, datasets_dir=config.datasets_dir, staff_id=editor.id),
    )


@router.get("/datasets/{dataset_id}/audit")
def read_audit(db: Db, _staff: CurrentStaff, dataset_id: int) -> ShortcutAuditView | None:
    """Whether labels can be told by what is not the face, as it was when the dataset was frozen; null where
    nobody knows."""
    found = audit_of(experiments.get_dataset(db, dataset_id))
    return ShortcutAuditView.of(found) if found else None


@router.post("/datasets/{dataset_id}/detectors", status_code=201)
def import_detectors_of_dataset(
    db: Db, blobs: Blobs, editor: Editor, dataset_id: int, form: Annotated[DetectorForm, Form()]
) -> list[DetectorView]:
    """Import the scores of detectors that were trained elsewhere on the test images of a dataset."""
    return _imported(db, blobs, experiments.get_dataset(db, dataset_id), form, editor)


@router.get("/tasks/{task_id}")
def read_task(db: Db, staff: CurrentStaff, task_id: int) -> TaskView:
    """How far background work is, and what came of it. What an image scored only its sender sees."""
    task = find_task(db, task_id)
    if task.kind is TaskKind.SCORE and task.created_by != staff.id:
        raise NotFound(f"There is no background task {task_id}.")
    return _task(db, task)


@router.post("/tasks/{task_id}/abort")
def stop_task(db: Db, staff: CurrentStaff, task_id: int) -> TaskView:
    """Stop background work: editors any, everybody else what they asked for."""
    task = find_task(db, task_id)
    abort_own_task(db, task, staff)
    return _task(db, task)


@router.get("/experiments")
def list_experiments(
    db: Db,
    _staff: CurrentStaff,
    before: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    name: Annotated[str, Query(max_length=100)] = "",
) -> list[ExperimentView]:
    """Experiments, the newest first; `before`: the number of the last one seen, `name`: only those."""
    return [
        ExperimentView(
            id=line.experiment.id,
            name=line.experiment.name,
            study=line.study.slug,
            dataset=line.dataset.id,
            created_at=line.experiment.created_at,
            states=dict(line.states),
        )
        for line in experiments.experiments(db, before=before, name=name)[: experiments.PAGE_SIZE]
    ]


@router.post("/experiments", status_code=201)
def start_experiment(db: Db, config: Config, editor: Editor, body: ExperimentRequest) -> ExperimentDetail:
    """Queue every run of a recipe: one of the platform's, or one that is sent as TOML."""
    dataset = experiments.get_dataset(db, body.dataset)
    recipe = chosen_recipe(body.recipe, body.toml.strip())
    made = request_experiment(
        db,
        dataset,
        recipe,
        name=body.name.strip() or recipe.name,
        staff_id=editor.id,
        runs_dir=config.runs_dir,
        devices=config.devices,
    )
    return _experiment(db, made)


@router.get("/experiments/{experiment_id}")
def read_experiment(db: Db, _staff: CurrentStaff, experiment_id: int) -> ExperimentDetail:
    """One experiment, with its recipe and its runs."""
    return _experiment(db, experiments.get_experiment(db, experiment_id))


@router.get("/experiments/{experiment_id}/results")
def read_results(db: Db, _staff: CurrentStaff, experiment_id: int) -> ResultsView:
    """The AUC of each architecture and scenario: mean and standard deviation over seeds."""
    return ResultsView.model_validate(results(db, experiments.get_experiment(db, experiment_id)).to_json())


@router.get("/experiments/{experiment_id}/degraded")
def read_degraded(db: Db, blobs: Blobs, _staff: CurrentStaff, experiment_id: int) -> list[DegradedView]:
    """What its runs reach on degraded images, where `evaluate --degrade` has met any."""
    outcome = outcome_of(db, blobs, experiments.get_experiment(db, experiment_id))
    return [DegradedView.model_validate(row) for row in outcome.degraded()]


@router.post("/experiments/{experiment_id}/abort")
def stop_experiment(db: Db, _editor: Editor, experiment_id: int) -> ExperimentDetail:
    """Stop every run of an experiment that has not ended."""
    found = experiments.get_experiment(db, experiment_id)
    abort_experiment(db, found)
    return _experiment(db, found)


@router.post("/experiments/{experiment_id}/detectors", status_code=201)
def import_detectors(
    db: Db, blobs: Blobs, editor: Editor, experiment_id: int, form: Annotated[DetectorForm, Form()]
) -> list[DetectorView]:
    """Compare with detectors that were trained elsewhere, by their scores on the test images."""
    return _imported(db, blobs, _dataset_of(db, experiment_id), form, editor)


@router.delete("/experiments/{experiment_id}/detectors", status_code=204)
def forget_detector(
    db: Db, _editor: Editor, experiment_id: int, name: Annotated[str, Query(max_length=60)]
) -> None:
    """Take a detector that was trained elsewhere out of the comparison."""
    remove_detector(db, _dataset_of(db, experiment_id), name)


@router.get("/runs/{run_id}")
def read_run(db: Db, _staff: CurrentStaff, run_id: UUID) -> RunView:
    """One run, with its metrics."""
    return _run(experiments.get_run(db, run_id))


@router.post("/runs/{run_id}/abort")
def stop_run(db: Db, _editor: Editor, run_id: UUID) -> RunView:
    """Stop a run; its last checkpoint stays."""
    found = experiments.get_run(db, run_id)
    abort_run(db, found)
    return _run(found)


@router.post("/runs/{run_id}/export", status_code=202)
def export_detector(db: Db, editor: Editor, run_id: UUID) -> TaskView:
    """Ask a worker for the detector as a ZIP file, which `/staff/runs/{run_id}/model/detector.zip` sends."""
    return _task(db, request_export(db, experiments.get_run(db, run_id), staff_id=editor.id))


@router.post("/runs/{run_id}/scores", status_code=202)
def score_image(db: Db, staff: CurrentStaff, run_id: UUID, form: Annotated[ScoringForm, Form()]) -> TaskView:
    """Have a finished run score an image, which is deleted afterwards; the answer is kept for an hour."""
    task = request_score(
        db,
        experiments.get_run(db, run_id),
        form.image.file.read(),
        called=(form.image.filename or "The file").rpartition("/")[2][:80],
        face=face_of(form.face),
        staff_id=staff.id,
    )
    return _task(db, task)


def _imported(
    db: Session, blobs: BlobStore, dataset: Dataset, form: DetectorForm, editor: Staff
) -> list[DetectorView]:
    found = import_scores(
        db,
        blobs,
        dataset,
        form.file.file.read(),
        called=(form.file.filename or "scores.csv").rpartition("/")[2][:60],
        name=form.name.strip() or None,
        staff_id=editor.id,
    )
    return [DetectorView(**asdict(one)) for one in found]


def _task(db: Session, task: BackgroundTask) -> TaskView:
    db.flush()
    return TaskView(**facts_of(task, TaskView))


def _dataset_of(db: Session, experiment_id: int) -> Dataset:
    return db.get_one(Dataset, experiments.get_experiment(db, experiment_id).dataset_id)


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
    return RunView(**facts_of(found, RunView))
