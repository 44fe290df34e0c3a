"""Datasets and experiments."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session

from app.dashboard import experiment_queries as queries
from app.dashboard.paging import cut
from app.db import Db
from app.deps import Blobs, Config, CurrentStaff, Editor
from app.errors import AppError, NotFound
from app.experiments.datasets import FreezeParameters, checked_parameters, freeze_dataset
from app.experiments.service import abort_experiment, results, runs_of
from app.models import Dataset, JobState, MapSet, Study
from app.web import page

router: Final = APIRouter(prefix="/staff/experiments", include_in_schema=False)

FREEZE_DEFAULTS: Final = FreezeParameters().model_dump()


@router.get("")
def experiments(request: Request, db: Db, _staff: CurrentStaff, after: int = 0) -> HTMLResponse:
    return list_page(request, db, after=after)


def list_page(request: Request, db: Session, *, after: int = 0, **context: Any) -> HTMLResponse:
    lines = queries.experiments(db, before=after)
    return page(
        request,
        "staff/experiments.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if context.get("error") else HTTPStatus.OK,
        page=cut(request, lines, size=queries.PAGE_SIZE, key=lambda line: line.experiment.id),
        datasets=queries.datasets(db),
        freezable=queries.freezable(db),
        is_simulated=queries.is_simulated,
        values=FREEZE_DEFAULTS | context.get("values", {}),
        error=context.get("error"),
    )


class FreezeForm(BaseModel):
    """The form as it was sent; its values are checked by `FreezeParameters`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    map_set: int = 0
    size: str = ""
    val: str = ""
    test: str = ""
    seed: str = ""
    crop: bool = False
    """An unticked box is not sent."""


@router.post("/datasets")
def freeze(
    request: Request,
    db: Db,
    blobs: Blobs,
    config: Config,
    _editor: Editor,
    asked: Annotated[FreezeForm, Form()],
) -> Response:
    map_set = db.get(MapSet, asked.map_set)
    try:
        if map_set is None:
            raise NotFound("Choose a map set.")
        parameters = checked_parameters(**asked.model_dump(exclude={"map_set"}))
        config.datasets_dir.mkdir(parents=True, exist_ok=True)
        dataset = freeze_dataset(
            db, blobs, map_set, None, datasets_dir=config.datasets_dir, parameters=parameters
        )
    except AppError as error:
        return list_page(request, db, values=asked.model_dump(), error=str(error))
    return RedirectResponse(f"/staff/experiments/new?dataset={dataset.id}", HTTPStatus.SEE_OTHER)


@router.get("/{experiment_id}")
def experiment(request: Request, db: Db, _staff: CurrentStaff, experiment_id: int) -> HTMLResponse:
    found = queries.get_experiment(db, experiment_id)
    dataset = db.get_one(Dataset, found.dataset_id)
    outcome = results(db, found)
    return page(
        request,
        "staff/experiment.html",
        experiment=found,
        author=queries.author_of(db, found),
        dataset=dataset,
        study=db.get_one(Study, dataset.study_id),
        simulated=queries.is_simulated(dataset),
        results=outcome,
        grid=queries.Grid.of(outcome),
        runs=runs_of(db, found),
    )


@router.get("/{experiment_id}/state.json")
def state(db: Db, _staff: CurrentStaff, experiment_id: int) -> dict[JobState, int]:
    """How many runs are in each state, for a page that waits."""
    return queries.states_of(db, [experiment_id]).get(experiment_id, {})


@router.post("/{experiment_id}/abort")
def abort(db: Db, _editor: Editor, experiment_id: int) -> Response:
    abort_experiment(db, queries.get_experiment(db, experiment_id))
    return RedirectResponse(f"{router.prefix}/{experiment_id}", HTTPStatus.SEE_OTHER)
