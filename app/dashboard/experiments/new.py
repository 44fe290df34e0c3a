"""Ask for an experiment: first see what it would be, then start it."""

from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ConfigDict, Field
from sqlalchemy.orm import Session

from app.dashboard.experiments import queries, tables
from app.dashboard.experiments.recipes import built_in, chosen_recipe
from app.deps import Config, Db, Editor
from app.errors import AppError
from app.experiments.service import request_experiment, require_trainable
from app.forms import Fields
from app.web import page
from training.config import Recipe

router: Final = APIRouter(prefix="/staff/experiments", include_in_schema=False)


class ExperimentForm(Fields):
    """The form as it was sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: int = 0
    recipe: str = ""
    toml: str = Field("", max_length=100_000)
    name: str = Field("", max_length=100)
    action: Literal["check", "start"] = "check"


class NewExperimentView(Fields):
    """The query of the address of the form."""

    dataset: int = 0
    """The dataset whose link led here."""


@router.get("/new")
def new(
    request: Request, db: Db, _editor: Editor, view: Annotated[NewExperimentView, Query()]
) -> HTMLResponse:
    return form_page(request, db, ExperimentForm(dataset=view.dataset))


@router.post("/new")
def check_or_start(
    request: Request, db: Db, config: Config, editor: Editor, form: Annotated[ExperimentForm, Form()]
) -> Response:
    try:
        dataset = queries.get_dataset(db, form.dataset)
        recipe = chosen_recipe(form.recipe, form.toml.strip())
        require_trainable(dataset, recipe)
        if form.action == "check":
            return form_page(request, db, form, recipe=recipe)
        experiment = request_experiment(
            db,
            dataset,
            recipe,
            name=form.name.strip() or recipe.name,
            staff_id=editor.id,
            runs_dir=config.runs_dir,
            devices=config.devices,
        )
    except AppError as error:
        return form_page(request, db, form, error=str(error))
    return RedirectResponse(f"{router.prefix}/{experiment.id}", HTTPStatus.SEE_OTHER)


def form_page(
    request: Request,
    db: Session,
    form: ExperimentForm,
    *,
    recipe: Recipe | None = None,
    error: str | None = None,
) -> HTMLResponse:
    return page(
        request,
        "staff/new_experiment.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        asked=form,
        recipe=recipe,
        runs=recipe.count if recipe else 0,
        error=error,
        datasets=queries.datasets(db, usable=True),
        is_simulated=tables.is_simulated,
        built_in=built_in(),
    )
