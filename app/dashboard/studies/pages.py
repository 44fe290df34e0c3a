"""The list of studies and the page of one."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from app.analysis.queries import Who
from app.dashboard.studies import queries
from app.dashboard.studies.charts import step_in_words
from app.deps import Config, CurrentStaff, Db, Editor
from app.exports.contents import LAYOUTS, OPTIONS
from app.forms import Fields
from app.models import Study
from app.notes import NoteText, add_note, notes_on
from app.studies import service
from app.studies.progress import progress
from app.studies.tallies import medians
from app.web import page

router: Final = APIRouter(prefix="/staff/studies", include_in_schema=False)


@router.get("")
def studies(request: Request, db: Db, _staff: CurrentStaff) -> HTMLResponse:
    return page(request, "staff/studies.html", studies=queries.open_ones_first(db))


class StudyView(Fields):
    """The query of the address of a study's page."""

    who: Who | None = None
    """None: people, or programs where no person took part."""


@router.get("/{slug}")
def study_page(
    request: Request,
    db: Db,
    config: Config,
    _staff: CurrentStaff,
    slug: str,
    view: Annotated[StudyView, Query()],
) -> HTMLResponse:
    study = service.find_study(db, slug)
    counts = progress(db, study)
    who: Who = view.who or ("people" if counts.people or not counts.simulated else "simulated")
    chart, step = queries.decisions_over_time(db, study, who)
    return page(
        request,
        "staff/study.html",
        study=study,
        progress=counts,
        who=who,
        accuracy=queries.accuracy(counts.cells, who),
        times=medians(db, study.id, simulated=who == "simulated"),
        chart=chart,
        step=step,
        step_words=step_in_words(step) if step else "",
        notes=notes_on(db, study),
        link=f"{config.public_url.rstrip('/')}/s/{study.slug}",
    )


@router.post("/{slug}/open")
def open_study(db: Db, _staff: Editor, slug: str) -> RedirectResponse:
    return back_to(service.open_study(db, service.find_study(db, slug)))


@router.post("/{slug}/pause")
def pause_study(db: Db, _staff: Editor, slug: str) -> RedirectResponse:
    return back_to(service.pause_study(db, service.find_study(db, slug)))


@router.post("/{slug}/close")
def close_study(db: Db, _staff: Editor, slug: str) -> RedirectResponse:
    return back_to(service.close_study(db, service.find_study(db, slug)))


@router.post("/{slug}/notes")
def write_note(db: Db, editor: Editor, slug: str, text: NoteText = "") -> RedirectResponse:
    study = service.find_study(db, slug)
    add_note(db, study, text, staff=editor)
    return RedirectResponse(f"/staff/studies/{study.slug}#notes", HTTPStatus.SEE_OTHER)


def back_to(study: Study) -> RedirectResponse:
    return RedirectResponse(f"/staff/studies/{study.slug}", HTTPStatus.SEE_OTHER)


@router.get("/{slug}/export")
def export(request: Request, db: Db, _staff: CurrentStaff, slug: str) -> HTMLResponse:
    return page(
        request, "staff/export.html", study=service.find_study(db, slug), options=OPTIONS, layouts=LAYOUTS
    )
