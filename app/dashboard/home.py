"""Where staff arrive."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.dashboard.studies.queries import open_ones_first
from app.deps import CurrentStaff, Db
from app.models import Experiment, Image, JobState, MapSet, Run, Study
from app.web import page

router: Final = APIRouter(include_in_schema=False)

UNDER_WAY: Final = (JobState.QUEUED, JobState.RUNNING)


@router.get("/")
def start() -> RedirectResponse:
    return RedirectResponse("/staff")


@router.get("/staff")
def home(request: Request, db: Db, _staff: CurrentStaff) -> HTMLResponse:
    studies = open_ones_first(db, limit=6)
    return page(
        request,
        "staff/home.html",
        studies=studies,
        any_images=db.scalar(select(select(Image.id).exists())),
        any_maps=db.scalar(select(select(MapSet.id).exists())),
        map_jobs=map_sets_under_way(db),
        runs=last_runs(db),
        running=db.scalar(select(func.count()).select_from(Run).where(Run.state.in_(UNDER_WAY))),
    )


def map_sets_under_way(session: Session) -> Sequence[Any]:
    return session.execute(
        select(MapSet, Study.slug, Study.title)
        .join(Study, Study.id == MapSet.study_id)
        .where(MapSet.state.in_(UNDER_WAY))
        .order_by(MapSet.id.desc())
        .limit(10)
    ).all()


def last_runs(session: Session) -> Sequence[Any]:
    """Runs under way first, then the ones that ended last."""
    return session.execute(
        select(Run, Experiment.name, Experiment.id)
        .join(Experiment, Experiment.id == Run.experiment_id)
        .order_by(
            Run.state.in_(UNDER_WAY).desc(),
            (Run.state == JobState.RUNNING).desc(),
            Run.ended_at.desc().nulls_last(),
            Run.job_id,
            Run.id,
        )
        .limit(8)
    ).all()
