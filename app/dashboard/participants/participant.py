"""One participant: what they did, and their wish to be forgotten."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.dashboard.participants.pages import work_of
from app.deps import Config, CurrentStaff, Db, Editor
from app.errors import NotFound, WrongState
from app.flash import Flash, leave_for
from app.models import Annotation, Arm, Decision, Image, Participant, ParticipantState, Stroke, Study, Trial
from app.quality.service import SET_ASIDE, check_participant, flags_of, set_aside, take_back
from app.recruitment.service import return_link, withdraw
from app.studies.service import find_study
from app.trials.events import interruptions
from app.web import page

router: Final = APIRouter(
    prefix="/staff/studies/{slug}/participants/{participant_id}", include_in_schema=False
)


def find_participant(session: Session, study: Study, participant_id: UUID) -> Participant:
    participant = session.get(Participant, participant_id)
    if participant is None or participant.study_id != study.id:
        raise NotFound("There is no such participant in this study.")
    return participant


@router.get("")
def participant(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, participant_id: UUID
) -> HTMLResponse:
    study = find_study(db, slug)
    found = find_participant(db, study, participant_id)
    trials, flags = trials_of(db, found), list(flags_of(db, found))
    return page(
        request,
        "staff/participant.html",
        study=study,
        participant=found,
        arm=db.get_one(Arm, found.arm_id),
        work=work_of(db, [found.id]).get(found.id),
        flags=flags,
        is_aside=any(flag.kind == SET_ASIDE for flag, _ in flags),
        trials=trials,
        positions={row.Trial.id: row.Trial.position for row in trials},
    )


def trials_of(session: Session, participant: Participant) -> Sequence[Any]:
    """Trial, Decision or None, generator of the fake, strokes or None, interruptions; in their order."""
    strokes = (
        select(func.count())
        .select_from(Stroke)
        .join(Annotation, Annotation.id == Stroke.annotation_id)
        .where(Annotation.decision_id == Decision.id)
        .correlate(Decision)
        .scalar_subquery()
    )
    fake = (Image.id.in_([Trial.left_image_id, Trial.right_image_id])) & (Image.label == "fake")
    return session.execute(
        select(Trial, Decision, Image.source, strokes.label("strokes"), *interruptions())
        .outerjoin(Decision, Decision.trial_id == Trial.id)
        .outerjoin(Image, fake)
        .where(Trial.participant_id == participant.id)
        .order_by(Trial.position)
    ).all()


@router.post("/check")
def check(db: Db, _editor: Editor, slug: str, participant_id: UUID) -> Response:
    """Look at a participant's work again."""
    found = find_participant(db, find_study(db, slug), participant_id)
    check_participant(db, found.id)
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
    found = find_participant(db, find_study(db, slug), participant_id)
    set_aside(db, found, reason=reason.strip())
    return RedirectResponse(f"/staff/studies/{slug}/participants/{participant_id}", HTTPStatus.SEE_OTHER)


@router.post("/take-back")
def take_in_again(db: Db, _editor: Editor, slug: str, participant_id: UUID) -> Response:
    take_back(db, find_participant(db, find_study(db, slug), participant_id))
    return RedirectResponse(f"/staff/studies/{slug}/participants/{participant_id}", HTTPStatus.SEE_OTHER)


@router.post("/return-link")
def let_back_in(
    request: Request, db: Db, config: Config, _editor: Editor, slug: str, participant_id: UUID
) -> Response:
    """Make a link for somebody who cannot get back into their visit."""
    found = find_participant(db, find_study(db, slug), participant_id)
    url = config.public_url.rstrip("/") + return_link(db, found)
    told = "Send it to them now: it is shown only once, works once, and lasts two days."
    flash = Flash("ok", "A link that lets this participant back in", (told,), copies=url)
    return leave_for(f"/staff/studies/{slug}/participants/{participant_id}", request, flash)


@router.post("/withdraw")
def remove(db: Db, _editor: Editor, slug: str, participant_id: UUID) -> Response:
    """Remove a participant's work at their request."""
    found = find_participant(db, find_study(db, slug), participant_id)
    if found.state is ParticipantState.WITHDRAWN:
        raise WrongState("This participant's work has been removed already.")
    withdraw(db, found)
    return RedirectResponse(f"/staff/studies/{slug}/participants/{participant_id}", HTTPStatus.SEE_OTHER)
