"""Somebody else's detectors enter a comparison by their scores, and leave it."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, UploadFile
from fastapi.responses import RedirectResponse, Response

from app.dashboard.experiments import queries
from app.dashboard.experiments.words import imported_in_words
from app.deps import Blobs, Db, Editor
from app.errors import AppError
from app.experiments.detectors import import_scores, remove_detector
from app.flash import Flash, leave_for
from app.models import Dataset

router: Final = APIRouter(prefix="/staff/experiments/{experiment_id}", include_in_schema=False)


@router.post("/scores")
def import_detectors(
    request: Request,
    db: Db,
    blobs: Blobs,
    editor: Editor,
    experiment_id: int,
    file: UploadFile,
    name: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """Somebody else's detector enters the comparison by its scores."""
    page_of = f"/staff/experiments/{experiment_id}#detectors"
    dataset = db.get_one(Dataset, queries.get_experiment(db, experiment_id).dataset_id)
    called = (file.filename or "scores.csv").rpartition("/")[2][:60]
    try:
        entrants = import_scores(
            db,
            blobs,
            dataset,
            file.file.read(),
            called=called,
            name=name.strip() or None,
            staff_id=editor.id,
        )
    except AppError as error:
        return leave_for(page_of, request, Flash("danger", "Nothing was imported", (str(error),)))
    number = "1 detector is" if len(entrants) == 1 else f"{len(entrants)} detectors are"
    details = tuple(imported_in_words(entrant) for entrant in entrants)
    return leave_for(page_of, request, Flash("ok", f"{number} in the comparison", details))


@router.post("/detectors/forget")
def forget(
    db: Db, _editor: Editor, experiment_id: int, name: Annotated[str, Form(max_length=60)]
) -> Response:
    experiment = queries.get_experiment(db, experiment_id)
    remove_detector(db, db.get_one(Dataset, experiment.dataset_id), name)
    return RedirectResponse(f"/staff/experiments/{experiment_id}#detectors", HTTPStatus.SEE_OTHER)
