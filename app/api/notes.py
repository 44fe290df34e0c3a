"""Notes of staff on studies, participants and images."""

from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field
from sqlalchemy.orm import Session

from app.dashboard.participants.queries import get_participant
from app.deps import CurrentStaff, Db, Editor
from app.messages import Answer, Body
from app.models import Staff
from app.notes import LONGEST, Subject, add_note, delete_note, notes_on
from app.stimuli.known import get_image
from app.stimuli.routes import ImageId
from app.studies.service import find_study

router: Final = APIRouter(prefix="/api", tags=["notes"])

OF_STUDY: Final = "/studies/{slug}/notes"
OF_PARTICIPANT: Final = "/studies/{slug}/participants/{participant_id}/notes"
OF_IMAGE: Final = "/images/{image_id}/notes"


class NoteView(Answer):
    """A note and who wrote it."""

    id: int
    text: str
    author: str
    created_at: datetime


class NoteBody(Body):
    text: str = Field(min_length=1, max_length=LONGEST)


@router.get(OF_STUDY)
def notes_on_study(db: Db, _staff: CurrentStaff, slug: str) -> list[NoteView]:
    """The notes on a study, the newest first."""
    return _notes(db, find_study(db, slug))


@router.post(OF_STUDY, status_code=201)
def write_on_study(db: Db, editor: Editor, slug: str, body: NoteBody) -> list[NoteView]:
    """Add a note to a study."""
    return _written(db, find_study(db, slug), body, editor)


@router.get(OF_PARTICIPANT)
def notes_on_participant(db: Db, _staff: CurrentStaff, slug: str, participant_id: UUID) -> list[NoteView]:
    """The notes on a participant, the newest first."""
    return _notes(db, get_participant(db, find_study(db, slug), participant_id))


@router.post(OF_PARTICIPANT, status_code=201)
def write_on_participant(
    db: Db, editor: Editor, slug: str, participant_id: UUID, body: NoteBody
) -> list[NoteView]:
    """Add a note to a participant; it goes with their work."""
    return _written(db, get_participant(db, find_study(db, slug), participant_id), body, editor)


@router.get(OF_IMAGE)
def notes_on_image(db: Db, _staff: CurrentStaff, image_id: ImageId) -> list[NoteView]:
    """The notes on an image, the newest first."""
    return _notes(db, get_image(db, image_id))


@router.post(OF_IMAGE, status_code=201)
def write_on_image(db: Db, editor: Editor, image_id: ImageId, body: NoteBody) -> list[NoteView]:
    """Add a note to an image."""
    return _written(db, get_image(db, image_id), body, editor)


@router.delete("/notes/{note_id}", status_code=204)
def remove(db: Db, editor: Editor, note_id: int) -> None:
    """Delete one's own note; admins delete any."""
    delete_note(db, note_id, staff=editor)


def _written(db: Session, subject: Subject, body: NoteBody, editor: Staff) -> list[NoteView]:
    add_note(db, subject, body.text, staff=editor)
    db.flush()
    return _notes(db, subject)


def _notes(db: Session, subject: Subject) -> list[NoteView]:
    return [
        NoteView(
            id=row.StaffNote.id, text=row.StaffNote.text, author=row.name, created_at=row.StaffNote.created_at
        )
        for row in notes_on(db, subject)
    ]
