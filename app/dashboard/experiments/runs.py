"""One run, live."""

from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from app.dashboard.experiments import queries
from app.deps import CurrentStaff, Db, Editor
from app.experiments.service import ENDED, abort_run
from app.forms import Fields
from app.models import Dataset, Experiment
from app.web import page

router: Final = APIRouter(prefix="/staff/runs/{run_id}", include_in_schema=False)


@router.get("")
def run(request: Request, db: Db, _staff: CurrentStaff, run_id: UUID) -> HTMLResponse:
    found = queries.get_run(db, run_id)
    experiment = db.get_one(Experiment, found.experiment_id)
    dataset = db.get_one(Dataset, experiment.dataset_id)
    return page(
        request,
        "staff/run.html",
        run=found,
        experiment=experiment,
        dataset=dataset,
        simulated=queries.is_simulated(dataset),
        by_source=queries.aucs_by_source(found.metrics, found.config.get("score", "sigmoid")),
        ended=found.state in ENDED,
    )


class Heard(Fields):
    """What the address says: the last event that the page has."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0


@router.get("/events")
def events(db: Db, _staff: CurrentStaff, run_id: UUID, heard: Annotated[Heard, Query()]) -> dict[str, Any]:
    """What the run said since, and its state. An ended run with nothing more to say is done."""
    found = queries.get_run(db, run_id)
    news = queries.events_after(db, found, heard.after)
    return {
        "state": found.state,
        "done": found.state in ENDED and len(news) < queries.MOST_EVENTS,
        "events": [
            {"id": event.id, "kind": event.kind, "at": event.at, "payload": event.payload} for event in news
        ],
    }


@router.post("/abort")
def abort(db: Db, _editor: Editor, run_id: UUID) -> Response:
    abort_run(db, queries.get_run(db, run_id))
    return RedirectResponse(f"/staff/runs/{run_id}", HTTPStatus.SEE_OTHER)
