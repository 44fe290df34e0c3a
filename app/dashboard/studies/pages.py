"""The list of studies and the page of one."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.analysis.queries import Who
from app.dashboard.studies import queries
from app.dashboard.studies.live import LivePages, PageView, SharedNumbers, Watcher
from app.deps import SESSION_COOKIE, Config, CurrentStaff, Db, Editor, sees_totals
from app.exports.contents import LAYOUTS, OPTIONS
from app.flash import Flash, leave_for
from app.forms import Fields
from app.models import Study
from app.notes import NoteText, add_note, notes_on
from app.overview.alerts import send_again
from app.security import token_hash
from app.studies import service
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
    staff: CurrentStaff,
    slug: str,
    view: Annotated[StudyView, Query()],
) -> HTMLResponse:
    study = service.find_study(db, slug)
    numbers = queries.study_numbers(db, study)
    return page(
        request,
        "staff/study.html",
        study=study,
        numbers=numbers,
        shown=queries.figures(db, numbers, view.who or numbers.who),
        with_spend=sees_totals(request, staff),
        may_edit=staff.role.may_edit,
        notes=notes_on(db, study),
        link=f"{config.public_url.rstrip('/')}/s/{study.slug}",
    )


@router.get("/{slug}/live")
def live(
    request: Request, db: Db, staff: CurrentStaff, slug: str, view: Annotated[StudyView, Query()]
) -> Response:
    """What the page of a study counts: a stream of it where a browser asks for events, or as it is now."""
    study = service.find_study(db, slug)
    followed = PageView(study.id, view.who, sees_totals(request, staff), staff.role.may_edit)
    if "text/event-stream" not in request.headers.get("accept", "") or request.state.api_token is not None:
        numbers: SharedNumbers = request.app.state.numbers
        return HTMLResponse(numbers.fragment(db, study, followed).html)
    pages: LivePages = request.app.state.live
    watcher = Watcher(followed, token_hash(request.cookies.get(SESSION_COOKIE, "")), staff.role)
    return pages.stream(watcher, last_id=request.headers.get("last-event-id"))


@router.post("/{slug}/alerts/{delivery}/send-again")
def send_alert_again(
    request: Request, db: Db, config: Config, _editor: Editor, slug: str, delivery: int
) -> RedirectResponse:
    study = service.find_study(db, slug)
    send_again(db, config, delivery, study)
    told = "This page says whether it arrived."
    return leave_for(f"{router.prefix}/{study.slug}", request, Flash("ok", "A worker sends it now", (told,)))


@router.post("/{slug}/open")
def open_study(db: Db, editor: Editor, slug: str) -> RedirectResponse:
    return back_to(service.open_study(db, service.find_study(db, slug), staff_id=editor.id))


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
