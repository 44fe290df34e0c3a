"""The first page after login."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.dashboard.experiments.queries import count_unfinished_runs, latest_runs
from app.dashboard.images.queries import any_images
from app.dashboard.maps.queries import any_map_sets, unfinished_builds
from app.dashboard.studies.queries import open_ones_first
from app.deps import CurrentStaff, Db
from app.overview.alerts import alerts_and_studies
from app.web import page

router: Final = APIRouter(include_in_schema=False)


@router.get("/")
def start() -> RedirectResponse:
    return RedirectResponse("/staff")


@router.get("/staff")
def home(request: Request, db: Db, _staff: CurrentStaff) -> HTMLResponse:
    return page(
        request,
        "staff/home.html",
        alerts=alerts_and_studies(db),
        studies=open_ones_first(db, limit=6),
        any_images=any_images(db),
        any_maps=any_map_sets(db),
        map_jobs=unfinished_builds(db),
        runs=latest_runs(db),
        running=count_unfinished_runs(db),
    )
