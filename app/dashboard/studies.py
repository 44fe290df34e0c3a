"""The list of studies and the page of one."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from app.dashboard import study_queries as queries
from app.dashboard.charts import in_words
from app.dashboard.study_queries import Who, find_study
from app.db import Db
from app.deps import Config, CurrentStaff
from app.web import page

router: Final = APIRouter(prefix="/staff/studies", include_in_schema=False)


@router.get("")
def studies(request: Request, db: Db, _staff: CurrentStaff) -> HTMLResponse:
    return page(request, "staff/studies.html", studies=queries.overview(db))


@router.get("/{slug}")
def study(
    request: Request, db: Db, config: Config, _staff: CurrentStaff, slug: str, who: Who | None = None
) -> HTMLResponse:
    found = find_study(db, slug)
    heads = queries.headcount(db, found.id)
    counted: Who = who or ("people" if heads.people or not heads.simulated else "simulated")
    chart, step = queries.decisions_over_time(db, found.id, counted)
    return page(
        request,
        "staff/study.html",
        study=found,
        heads=heads,
        who=counted,
        arms=queries.arm_progress(db, found.id),
        accuracy=queries.accuracy(db, found.id, counted),
        times=queries.median_times(db, found.id, counted),
        chart=chart,
        step=step,
        step_words=in_words(step) if step else "",
        link=f"{config.public_url.rstrip('/')}/s/{found.slug}",
    )


@router.get("/{slug}/export")
def export(request: Request, db: Db, _staff: CurrentStaff, slug: str) -> HTMLResponse:
    return page(request, "staff/export.html", study=find_study(db, slug))
