"""One run, live."""

from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from app.dashboard.experiments import queries, tables
from app.deps import CurrentStaff, Db, Editor
from app.experiments.service import abort_run
from app.forms import Fields
from app.models import ENDED, Dataset, Experiment
from app.web import page

router: Final = APIRouter(prefix="/staff/runs/{run_id}", include_in_schema=False)


@router.get("")
def run_page(request: Request, db: Db, _staff: CurrentStaff, run_id: UUID) -> HTMLResponse:
    run = queries.get_run(db, run_id)
    experiment = db.get_one(Experiment, run.experiment_id)
    dataset = db.get_one(Dataset, experiment.dataset_id)
    return page(
        request,
        "staff/run.html",
        run=run,
        experiment=experiment,
        dataset=dataset,
        simulated=tables.is_simulated(dataset),
        by_source=tables.aucs_by_source(run.metrics, run.config.get("score", "sigmoid")),
        ended=run.state in ENDED,
    )


class RunEventsView(Fields):
    """The query of the address of a run's events."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Id of the last event that the page has."""


@router.get("/events")
def events(
    db: Db, _staff: CurrentStaff, run_id: UUID, view: Annotated[RunEventsView, Query()]
) -> dict[str, Any]:
    """The events of a run since the last answer, and its state. `more` wait; `done`: none will come."""
    run = queries.get_run(db, run_id)
    new_events = queries.events_after(db, run, view.after)
    more = len(new_events) >= queries.MOST_EVENTS
    return {
        "state": run.state,
        "done": run.state in ENDED and not more,
        "more": more,
        "events": [
            {"id": event.id, "kind": event.kind, "at": event.at, "payload": event.payload}
            for event in new_events
        ],
    }


@router.post("/abort")
def abort(db: Db, _editor: Editor, run_id: UUID) -> Response:
    abort_run(db, queries.get_run(db, run_id))
    return RedirectResponse(f"/staff/runs/{run_id}", HTTPStatus.SEE_OTHER)
