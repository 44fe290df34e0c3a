"""One thing done to many participants at once."""

import enum
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound
from app.models import Participant, ParticipantState, Staff, Study
from app.notes import add_note
from app.quality.service import check_participant, set_aside, take_back

MOST: Final = 1000
"""Participants of one request."""


class BulkAction(enum.StrEnum):
    SET_ASIDE = "set_aside"
    TAKE_BACK = "take_back"
    NOTE = "note"
    CHECK = "check"


def act(
    session: Session, study: Study, ids: Sequence[UUID], action: BulkAction, text: str, *, staff: Staff
) -> int:
    """Do it to these participants of a study, or to none of them; returns how many they are.

    `text` is the reason of setting aside, or the note. Whoever has withdrawn has nothing left to look at.
    """
    wanted = set(ids)
    if not wanted:
        raise BadInput("Nobody is ticked.")
    if len(wanted) > MOST:
        raise BadInput(f"At most {MOST} participants at once.")
    here = (Participant.id.in_(wanted), Participant.study_id == study.id)
    people = session.scalars(select(Participant).where(*here).order_by(Participant.id)).all()
    if len(people) < len(wanted):
        raise NotFound("There is no such participant in this study.")
    for participant in people:
        _act(session, participant, action, text.strip(), staff)
    return len(people)


def _act(session: Session, participant: Participant, action: BulkAction, text: str, staff: Staff) -> None:
    match action:
        case BulkAction.NOTE:
            add_note(session, participant, text, staff=staff)
        case BulkAction.CHECK:
            check_participant(session, participant.id)
        case BulkAction.TAKE_BACK:
            take_back(session, participant)
        case BulkAction.SET_ASIDE if participant.state is not ParticipantState.WITHDRAWN:
            set_aside(session, participant, reason=text[:200])
