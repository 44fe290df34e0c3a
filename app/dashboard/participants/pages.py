"""Who took part in a study: random ids, never worker ids."""

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.dashboard.paging import cut
from app.dashboard.participants import queries
from app.dashboard.participants.bulk import BulkAction, act
from app.dashboard.participants.queries import ParticipantFilter
from app.deps import CurrentStaff, Db, Editor
from app.errors import AppError
from app.flash import Flash, leave_for
from app.quality.service import SENTENCES
from app.recruitment.service import find_by_id
from app.studies.service import find_study
from app.web import page

router: Final = APIRouter(prefix="/staff/studies/{slug}/participants", include_in_schema=False)
ticked: Final = APIRouter(prefix="/staff/studies/{slug}/ticked-participants", include_in_schema=False)


@router.get("")
def participants(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, wanted: Annotated[ParticipantFilter, Query()]
) -> HTMLResponse:
    study = find_study(db, slug)
    rows = queries.list_participants(db, study, wanted)
    listed = cut(request, rows, size=queries.PAGE_SIZE, key=queries.position)
    ids = [row.Participant.id for row in listed.rows]
    return page(
        request,
        "staff/participants.html",
        study=study,
        page=listed,
        work=queries.work_by_participant(db, ids),
        flags=queries.count_flags(db, ids),
        flag_kinds=("any", *SENTENCES),
        arms=queries.arm_names(db, study),
        totals=queries.totals(db, study, wanted),
        chosen=wanted,
    )


@router.post("")
def find(
    request: Request, db: Db, _editor: Editor, slug: str, who: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """Go to somebody's page, by the id that their platform gives them or the reference that they quote.

    The form is posted: a worker id must be in no address, where logs and histories keep it.
    """
    address, study = f"/staff/studies/{slug}/participants", find_study(db, slug)
    try:
        participant = find_by_id(db, study, who)
    except AppError as error:
        return leave_for(address, request, Flash("danger", "Not found", (str(error),)))
    return RedirectResponse(f"{address}/{participant.id}", HTTPStatus.SEE_OTHER)


DONE: Final = {
    BulkAction.SET_ASIDE: "set aside",
    BulkAction.TAKE_BACK: "no longer set aside",
    BulkAction.NOTE: "with a new note",
    BulkAction.CHECK: "looked at again",
}


@ticked.post("")
def do_to_many(
    request: Request,
    db: Db,
    editor: Editor,
    slug: str,
    action: Annotated[BulkAction, Form()],
    participant: Annotated[list[UUID] | None, Form()] = None,
    text: Annotated[str, Form(max_length=5000)] = "",
) -> Response:
    """One action on the participants that are ticked."""
    try:
        number = act(db, find_study(db, slug), participant or [], action, text, staff=editor)
    except AppError as error:
        flash = Flash("danger", "Nothing was done", (str(error),))
    else:
        flash = Flash("ok", f"{number} participant{'s'[: number != 1]} {DONE[action]}")
    return leave_for(f"/staff/studies/{slug}/participants", request, flash)
