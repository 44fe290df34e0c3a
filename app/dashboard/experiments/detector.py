"""A trained detector: try it on an image, see what it looks at, take it home."""

from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.dashboard.background import WorkProgress, progress_by_number
from app.dashboard.experiments import queries, tables
from app.deps import CurrentStaff, Db, Editor
from app.errors import AppError, NotFound
from app.experiments.background_tasks import (
    export_of,
    newest_export,
    newest_score,
    request_export,
    request_score,
)
from app.experiments.outcomes import read
from app.experiments.scoring import face_of
from app.models import UNFINISHED, BackgroundTask, Dataset, Experiment, JobState, Run, Staff
from app.web import page
from training.errors import TrainingError
from training.reporting.finished_runs import FinishedRun
from training.reporting.model_card import card_of
from training.reporting.style import coloured
from training.run_folder import RunFolder

router: Final = APIRouter(prefix="/staff/runs/{run_id}", include_in_schema=False)


@router.get("/model")
def model(request: Request, db: Db, staff: CurrentStaff, run_id: UUID) -> HTMLResponse:
    return model_page(request, db, queries.get_run(db, run_id), staff)


def model_page(request: Request, db: Session, run: Run, staff: Staff, *, error: str = "") -> HTMLResponse:
    experiment = db.get_one(Experiment, run.experiment_id)
    dataset = db.get_one(Dataset, experiment.dataset_id)
    card, problem = _card(run)
    export, score = newest_export(db, run), newest_score(db, run, staff.id)
    return page(
        request,
        "staff/model.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        run=run,
        experiment=experiment,
        dataset=dataset,
        simulated=tables.is_simulated(dataset),
        card=card,
        problem=problem,
        metrics=tables.SOURCE_METRICS,
        maps=[name for name in tables.AVERAGE_MAPS if _picture(run, name).is_file()],
        export=export,
        exporting=export is not None and export.state in UNFINISHED,
        exported=_size_of(export_of(run)),
        score=score,
        scoring=score is not None and score.state in UNFINISHED,
        works=_progress(export, score),
        limit=request.app.state.settings.max_body_bytes,
        error=error,
    )


def _progress(*tasks: BackgroundTask | None) -> dict[int, WorkProgress]:
    return progress_by_number((task.id, task) for task in tasks if task is not None)


def _card(run: Run) -> tuple[dict[str, Any] | None, str]:
    """The model card, or why there is none."""
    if run.state is not JobState.SUCCEEDED:
        return None, f"This run is {run.state}. A detector can be tried when its run has finished."
    result = read(run)
    if not isinstance(result, FinishedRun):
        return None, result
    try:
        return card_of(RunFolder(Path(run.folder))), ""
    except TrainingError as error:
        return None, str(error)


@router.post("/model")
def score(
    request: Request,
    db: Db,
    staff: CurrentStaff,
    run_id: UUID,
    image: UploadFile,
    face: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    run = queries.get_run(db, run_id)
    called = (image.filename or "The file").rpartition("/")[2][:80]
    try:
        request_score(db, run, image.file.read(), called=called, face=face_of(face), staff_id=staff.id)
    except AppError as error:
        return model_page(request, db, run, staff, error=str(error))
    return RedirectResponse(f"/staff/runs/{run_id}/model#answer", HTTPStatus.SEE_OTHER)


@router.post("/model/export")
def export(db: Db, editor: Editor, run_id: UUID) -> Response:
    request_export(db, queries.get_run(db, run_id), staff_id=editor.id)
    return RedirectResponse(f"/staff/runs/{run_id}/model#export", HTTPStatus.SEE_OTHER)


@router.get("/model/state.json")
def task_states(db: Db, staff: CurrentStaff, run_id: UUID) -> dict[int, WorkProgress]:
    """The states of the newest export and of one's own newest image, for a page that waits."""
    run = queries.get_run(db, run_id)
    return _progress(newest_export(db, run), newest_score(db, run, staff.id))


@router.get("/model/detector.zip")
def download(db: Db, _staff: CurrentStaff, run_id: UUID) -> FileResponse:
    run = queries.get_run(db, run_id)
    path = export_of(run)
    if not path.is_file():
        raise NotFound("This detector has not been exported yet.")
    return FileResponse(path, media_type="application/zip", filename=f"{Path(run.folder).name}.zip")


@router.get("/maps/{name}.png")
def average_map(db: Db, _staff: CurrentStaff, run_id: UUID, name: str) -> Response:
    """An average map in the colours of the figures."""
    run = queries.get_run(db, run_id)
    picture = coloured(_picture(run, name)) if name in tables.AVERAGE_MAPS else None
    if picture is None:
        raise NotFound("There is no such map.")
    return Response(picture, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


def _picture(run: Run, name: str) -> Path:
    return Path(run.folder) / "maps" / f"{name}.png"


def _size_of(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
