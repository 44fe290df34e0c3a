"""Whom a study's rules exclude: looked at first, then done, and undone."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from app.deps import CurrentStaff, Db, Editor
from app.errors import AppError
from app.flash import Flash, leave_for
from app.quality.exclusions import count_again, effect_of, exclude, excluded_in
from app.studies.service import find_study
from app.web import page

router: Final = APIRouter(prefix="/staff/studies/{slug}/exclusions", include_in_schema=False)


@router.get("")
def exclusions(request: Request, db: Db, _staff: CurrentStaff, slug: str) -> HTMLResponse:
    study = find_study(db, slug)
    return page(
        request,
        "staff/exclusions.html",
        study=study,
        effect=effect_of(db, study),
        excluded=excluded_in(db, study),
    )


@router.post("")
def apply(
    request: Request, db: Db, _editor: Editor, slug: str, seen: Annotated[str, Form(max_length=64)] = ""
) -> Response:
    """Exclude those who were shown."""
    try:
        number = exclude(db, find_study(db, slug), seen=seen)
    except AppError as error:
        flash = Flash("danger", "Nobody was excluded", (str(error),))
    else:
        flash = Flash("ok", f"{number} participant{'s'[: number != 1]} excluded")
    return leave_for(f"/staff/studies/{slug}/exclusions", request, flash)


@router.post("/undo")
def undo(
    request: Request, db: Db, _editor: Editor, slug: str, participant: Annotated[UUID | None, Form()] = None
) -> Response:
    """Count one participant again, or everybody."""
    more = count_again(db, find_study(db, slug), [participant] if participant else None)
    lines = (f"{more} of their judgements were collected again meanwhile; the study has both.",)
    flash = Flash("ok", "They count again", lines if more else ())
    return leave_for(f"/staff/studies/{slug}/exclusions", request, flash)
