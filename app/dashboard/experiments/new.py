"""Ask for an experiment: first see what it would be, then start it."""

from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from app.dashboard.experiments import queries
from app.dashboard.experiments.recipes import built_in, chosen_recipe, count_runs
from app.deps import Config, Db, Editor
from app.errors import AppError, NotFound
from app.experiments.service import request_experiment, require_trainable
from app.forms import Fields
from app.models import Dataset
from app.web import page
from training.config import Recipe

router: Final = APIRouter(prefix="/staff/experiments", include_in_schema=False)


class Asked(Fields):
    """The form as it was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: int = 0
    recipe: str = ""
    toml: str = Field("", max_length=100_000)
    name: str = Field("", max_length=100)
    action: Literal["check", "start"] = "check"


class Chosen(Fields):
    """What the address says: the dataset from whose page one comes."""

    dataset: int = 0


@router.get("/new")
def new(request: Request, db: Db, _editor: Editor, chosen: Annotated[Chosen, Query()]) -> HTMLResponse:
    return form_page(request, db, Asked(dataset=chosen.dataset))


@router.post("/new")
def check_or_start(
    request: Request, db: Db, config: Config, editor: Editor, asked: Annotated[Asked, Form()]
) -> Response:
    try:
        dataset = find_dataset(db, asked.dataset)
        recipe = chosen_recipe(asked.recipe, asked.toml.strip())
        require_trainable(dataset, recipe)
        if asked.action == "check":
            return form_page(request, db, asked, recipe=recipe)
        experiment = request_experiment(
            db,
            dataset,
            recipe,
            name=asked.name.strip() or recipe.name,
            staff_id=editor.id,
            runs_dir=config.runs_dir,
            devices=config.devices,
        )
    except AppError as error:
        return form_page(request, db, asked, error=str(error))
    return RedirectResponse(f"{router.prefix}/{experiment.id}", HTTPStatus.SEE_OTHER)


def find_dataset(session: Session, dataset_id: int) -> Dataset:
    dataset = session.get(Dataset, dataset_id)
    if dataset is None:
        raise NotFound("Choose a dataset.")
    return dataset


def form_page(
    request: Request, db: Session, asked: Asked, *, recipe: Recipe | None = None, error: str | None = None
) -> HTMLResponse:
    return page(
        request,
        "staff/new_experiment.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        asked=asked,
        recipe=recipe,
        runs=count_runs(recipe) if recipe else 0,
        error=error,
        datasets=queries.datasets(db, usable=True),
        is_simulated=queries.is_simulated,
        built_in=built_in(),
    )
