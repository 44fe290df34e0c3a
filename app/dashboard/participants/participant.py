"""One participant: what they did, and the removal of their work when they ask for it."""

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.dashboard.participants import queries
from app.deps import Config, CurrentStaff, Db, Editor
from app.flash import Flash, leave_for
from app.models import Arm
from app.notes import NoteText, add_note, notes_on
from app.quality.service import SET_ASIDE, check_participant, flags_of, set_aside, take_back
from app.recruitment.service import remove_work, return_link
from app.studies.service import find_study
from app.web import page

router: Final = APIRouter(
    prefix="/staff/studies/{slug}/participants/{participant_id}", include_in_schema=False
)


@router.get("")
def participant_page(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, participant_id: UUID
) -> HTMLResponse:
    study = find_study(db, slug)
    participant = queries.get_participant(db, study, participant_id)
    trials, flags = queries.trials_of(db, participant), list(flags_of(db, participant))
    return page(
        request,
        "staff/participant.html",
        study=study,
        participant=participant,
        arm=db.get_one(Arm, participant.arm_id),
        work=queries.work_by_participant(db, [participant.id]).get(participant.id),
        flags=flags,
        is_aside=any(flag.kind == SET_ASIDE for flag, _ in flags),
        trials=trials,
        notes=notes_on(db, participant),
        positions={row.Trial.id: row.Trial.position for row in trials},
    )


@router.post("/notes")
def write_note(
    db: Db, editor: Editor, slug: str, participant_id: UUID, text: NoteText = ""
) -> RedirectResponse:
    add_note(db, queries.get_participant(db, find_study(db, slug), participant_id), text, staff=editor)
    address = f"/staff/studies/{slug}/participants/{participant_id}#notes"
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


@router.post("/check")
def check(db: Db, _editor: Editor, slug: str, participant_id: UUID) -> Response:
    """Look at a participant's work again."""
    participant = queries.get_participant(db, find_study(db, slug), participant_id)
    check_participant(db, participant.id)
    return RedirectResponse(f"/staff/studies/{slug}/participants/{participant_id}", HTTPStatus.SEE_OTHER)


@router.post("/set-aside")
def put_aside(
    db: Db,
    _editor: Editor,
    slug: str,
    participant_id: UUID,
    reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Flag somebody whom maps and analyses can then leave out; nothing is deleted."""
    participant = queries.get_participant(db, find_study(db, slug), participant_id)
    set_aside(db, participant, reason=reason.strip())
    return RedirectResponse(f"/staff/studies/{slug}/participants/{participant_id}", HTTPStatus.SEE_OTHER)


@router.post("/take-back")
def take_in_again(db: Db, _editor: Editor, slug: str, participant_id: UUID) -> Response:
    take_back(db, queries.get_participant(db, find_study(db, slug), participant_id))
    return RedirectResponse(f"/staff/studies/{slug}/participants/{participant_id}", HTTPStatus.SEE_OTHER)


@router.post("/return-link")
def let_back_in(
    request: Request, db: Db, config: Config, _editor: Editor, slug: str, participant_id: UUID
) -> Response:
    """Make a link for somebody who cannot get back into their visit."""
    participant = queries.get_participant(db, find_study(db, slug), participant_id)
    url = config.public_url.rstrip("/") + return_link(db, participant)
    advice = "Send it to them now: it is shown only once, works once, and lasts two days."
    flash = Flash("ok", "A link that lets this participant back in", (advice,), copies=url)
    return leave_for(f"/staff/studies/{slug}/participants/{participant_id}", request, flash)


@router.post("/withdraw")
def remove(db: Db, _editor: Editor, slug: str, participant_id: UUID) -> Response:
    """Remove a participant's work at their request."""
    remove_work(db, queries.get_participant(db, find_study(db, slug), participant_id))
    return RedirectResponse(f"/staff/studies/{slug}/participants/{participant_id}", HTTPStatus.SEE_OTHER)
