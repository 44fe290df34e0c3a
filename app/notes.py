"""Notes of staff on studies, participants and images."""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import Form
from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from app.errors import BadInput, NotAllowed, NotFound
from app.models import Image, Participant, Role, Staff, StaffNote, Study

LONGEST: Final = 5000  # characters

NoteText = Annotated[str, Form(max_length=LONGEST)]
"""The text of a note as a form sends it."""

Subject = Study | Participant | Image


def notes_on(session: Session, subject: Subject) -> Sequence[Row[StaffNote, str]]:
    """Notes and the names of their authors, the newest first."""
    return session.execute(
        select(StaffNote, Staff.name)
        .join(Staff, Staff.id == StaffNote.created_by)
        .where(_is_about(subject))
        .order_by(StaffNote.id.desc())
    ).all()


def _is_about(subject: Subject) -> ColumnElement[bool]:
    match subject:
        case Study():
            return StaffNote.study_id == subject.id
        case Participant():
            return StaffNote.participant_id == subject.id
        case Image():
            return StaffNote.image_id == subject.id


def add_note(session: Session, subject: Subject, text: str, *, staff: Staff) -> StaffNote:
    """`BadInput`: the text is empty or too long."""
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise BadInput(f"A note needs a text of at most {LONGEST} characters.")
    note = StaffNote(text=text, created_by=staff.id)
    match subject:
        case Study():
            note.study_id = subject.id
        case Participant():
            note.participant_id = subject.id
        case Image():
            note.image_id = subject.id
    session.add(note)
    return note


def delete_note(session: Session, note_id: int, *, staff: Staff) -> StaffNote:
    """Delete one's own note; admins delete any."""
    note = session.get(StaffNote, note_id)
    if note is None:
        raise NotFound("There is no such note.")
    if note.created_by != staff.id and staff.role is not Role.ADMIN:
        raise NotAllowed("Only its author and admins delete a note.")
    session.delete(note)
    return note
