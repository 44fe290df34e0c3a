"""The history of a draft: each time that somebody saved it, with what differed, and who and when.

It ends with the opening; from then on changes are versions (`app.studies.versions`).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.models import DraftSave, Staff, Study
from app.studies.versions import ChangedKey, with_differences


@dataclass(frozen=True, slots=True)
class SaveLine:
    """A save in the history of a draft."""

    number: int
    made_at: datetime
    made_by: str | None
    """The name of a member of staff; None of a command on the server."""
    restored: int | None
    """The number of the save that this one brought back."""
    differences: tuple[ChangedKey, ...]
    """From the save before."""


def keep(session: Session, study: Study, *, restored: int | None = None, staff_id: int | None) -> None:
    """Add what a draft says now to its history; nothing where its last save says the same."""
    last = last_save(session, study)
    if last is not None and last.spec == study.spec:
        return
    number = last.number + 1 if last else 1
    session.add(
        DraftSave(study_id=study.id, number=number, spec=study.spec, restored=restored, made_by=staff_id)
    )
    session.flush()


def last_save(session: Session, study: Study) -> DraftSave | None:
    """None of a study that was never a draft, such as a pilot."""
    query = select(DraftSave).where(DraftSave.study_id == study.id)
    return session.scalar(query.order_by(DraftSave.number.desc()).limit(1))


def find_save(session: Session, study: Study, number: int) -> DraftSave:
    found = session.get(DraftSave, (study.id, number))
    if found is None:
        raise NotFound(f"The history of {study.slug} has no save {number}.")
    return found


def history_of(session: Session, study: Study) -> list[SaveLine]:
    """Every save of a draft, the newest first; of a study that was opened, those before that."""
    query = (
        select(DraftSave, Staff.name)
        .outerjoin(Staff, Staff.id == DraftSave.made_by)
        .where(DraftSave.study_id == study.id)
        .order_by(DraftSave.number)
    )
    return [
        SaveLine(save.number, save.made_at, name, save.restored, changed)
        for save, name, changed in with_differences(session.execute(query).all())
    ]
