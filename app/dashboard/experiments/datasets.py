"""Freeze a dataset, and look at one."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ConfigDict

from accuracy.shortcuts.audit import FEWEST, NAMES
from app.dashboard.background import WorkProgress
from app.dashboard.experiments import queries
from app.dashboard.experiments.pages import freezing, list_page
from app.dashboard.experiments.tables import is_simulated
from app.deps import Config, CurrentStaff, Db, Editor
from app.errors import AppError, NotFound
from app.experiments.background_tasks import request_freeze
from app.experiments.datasets import audit_of, checked_parameters
from app.forms import Fields
from app.models import MapSet, Study
from app.stimuli.setting_aside import set_aside_unshown
from app.web import page

router: Final = APIRouter(prefix="/staff/experiments", include_in_schema=False)


class FreezeForm(Fields):
    """The form as it was sent; its values are checked by `FreezeParameters`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    map_set: int = 0
    size: str = ""
    val: str = ""
    test: str = ""
    seed: str = ""
    crop: bool = False
    """An unticked box is not sent."""
    test_on_unshown: bool = False
    """Images that no study shows get the split test first."""


@router.post("")
def freeze(
    request: Request, db: Db, config: Config, editor: Editor, form: Annotated[FreezeForm, Form()]
) -> Response:
    """Ask a worker for it; the list shows how far it is."""
    map_set = db.get(MapSet, form.map_set)
    try:
        if map_set is None:
            raise NotFound("Choose a map set.")
        parameters = checked_parameters(**form.model_dump(exclude={"map_set", "test_on_unshown"}))
        with db.begin_nested():  # what is set aside is taken back if the freeze is refused
            if form.test_on_unshown:
                set_aside_unshown(db, db.get_one(Study, map_set.study_id))
            request_freeze(db, map_set, parameters, datasets_dir=config.datasets_dir, staff_id=editor.id)
    except AppError as error:
        return list_page(request, db, values=form.model_dump(), error=str(error))
    return RedirectResponse(f"{router.prefix}#freezes", HTTPStatus.SEE_OTHER)


@router.get("/datasets/state.json")
def freezes_state(db: Db, _staff: CurrentStaff) -> dict[int, WorkProgress]:
    """How far each freeze is that is under way or has just ended, for a page that waits."""
    return freezing(queries.freezes(db))


@router.get("/datasets/{dataset_id}")
def dataset_page(request: Request, db: Db, _staff: CurrentStaff, dataset_id: int) -> HTMLResponse:
    dataset = queries.get_dataset(db, dataset_id)
    return page(
        request,
        "staff/dataset.html",
        dataset=dataset,
        study=db.get_one(Study, dataset.study_id),
        simulated=is_simulated(dataset),
        found=audit_of(dataset),
        names=NAMES,
        fewest=FEWEST,
    )
