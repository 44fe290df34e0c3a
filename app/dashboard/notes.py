"""Deleting a note, wherever it is; adding one is a form of the page that it is on."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.deps import Db, Editor
from app.flash import Flash, leave_for
from app.models import Participant, StaffNote, Study
from app.notes import delete_note

router: Final = APIRouter(prefix="/staff/notes", include_in_schema=False)


@router.post("/{note_id}/delete")
def delete(request: Request, db: Db, editor: Editor, note_id: int) -> Response:
    note = delete_note(db, note_id, staff=editor)
    return leave_for(_page_of(db, note), request, Flash("ok", "The note is deleted"))


def _page_of(db: Db, note: StaffNote) -> str:
    """The page that showed the note."""
    if note.image_id is not None:
        return f"/staff/images/{note.image_id}"
    if note.participant_id is None:
        return f"/staff/studies/{db.get_one(Study, note.study_id).slug}"
    participant = db.get_one(Participant, note.participant_id)
    study = db.get_one(Study, participant.study_id)
    return f"/staff/studies/{study.slug}/participants/{participant.id}"
