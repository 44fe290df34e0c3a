"""One participant: what they did, and the removal of their work when they ask for it."""

from http import HTTPStatus
from itertools import groupby
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field

from app.dashboard.paging import cut
from app.dashboard.participants import queries, visits
from app.deps import Config, CurrentStaff, Db, Editor
from app.flash import Flash, leave_for
from app.forms import Fields
from app.models import SET_ASIDE, Arm
from app.notes import NoteText, add_note, notes_on
from app.quality.service import check_participant, evidence_of, flags_of, set_aside, take_back
from app.recruitment.messages import submission_of
from app.recruitment.service import remove_work, return_link
from app.studies.service import find_study
from app.web import page

router: Final = APIRouter(
    prefix="/staff/studies/{slug}/participants/{participant_id}", include_in_schema=False
)


Position = Annotated[int, Field(ge=0, lt=2**31)]


class TrialList(Fields):
    """The query of the participant's page."""

    after: Position = 0
    """The position of the last trial seen."""


class ReplayView(Fields):
    """The query of a replay."""

    trial: Position | None = None
    """Its position; the first one if left out."""
    speed: Literal["1", "2", "4", "8", "16"] = "4"
    """Times as fast as it was."""
    play: bool = False
    """Begin by itself."""
    go_on: bool = False
    """At the end of a trial, go on with the next one."""


@router.get("")
def participant_page(
    request: Request,
    db: Db,
    _staff: CurrentStaff,
    slug: str,
    participant_id: UUID,
    wanted: Annotated[TrialList, Query()],
) -> HTMLResponse:
    study = find_study(db, slug)
    participant = queries.get_participant(db, study, participant_id)
    flags = list(flags_of(db, participant))
    trials = visits.trials_of(db, participant, after=wanted.after)
    return page(
        request,
        "staff/participant.html",
        study=study,
        participant=participant,
        arm=db.get_one(Arm, participant.arm_id),
        work=queries.work_by_participant(db, [participant.id]).get(participant.id),
        flags=[(sentence, list(raised)) for sentence, raised in groupby(flags, lambda one: one.sentence)],
        evidence=evidence_of(db, participant),
        is_aside=any(one.flag.kind == SET_ASIDE for one in flags),
        page=cut(request, trials, size=visits.PAGE_SIZE, key=lambda row: row.Trial.position),
        after=wanted.after,
        notes=notes_on(db, participant),
        submission=submission_of(db, participant),
    )


@router.get("/replay")
def replay(
    request: Request,
    db: Db,
    _staff: CurrentStaff,
    slug: str,
    participant_id: UUID,
    wanted: Annotated[ReplayView, Query()],
) -> HTMLResponse:
    """One trial of a visit as it went: times, choice, events and strokes."""
    study = find_study(db, slug)
    participant = queries.get_participant(db, study, participant_id)
    stops = visits.stops_of(db, participant)
    positions = [stop.position for stop in stops]
    position = wanted.trial if wanted.trial is not None else (positions or [0])[0]
    record = visits.record_at(db, participant, position)
    at = positions.index(position)
    return page(
        request,
        "staff/replay.html",
        study=study,
        participant=participant,
        record=record,
        stops=stops,
        number=at + 1,
        previous=positions[at - 1] if at else None,
        next=positions[at + 1] if at + 1 < len(positions) else None,
        wanted=wanted,
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
