"""Shortcut audits that a worker makes of the imported images, or of those that a study shows, and keeps."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from accuracy.shortcuts.audit import ShortcutAudit
from app.models import UNFINISHED, BackgroundTask, JobState, TaskKind
from app.stimuli.audit import audit_stored, fingerprint, imported, shown_in
from app.storage import BlobStore
from app.studies.service import find_study

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class KeptAudit:
    """The last audit of some images, as long as no later one replaces it."""

    found: ShortcutAudit | None
    """None: there were too few images."""
    images: int
    """That there were."""
    computed_at: datetime
    changed: bool
    """Whether images have come or gone since, or a face box is another."""


def arguments_of(study: str | None) -> dict[str, Any]:
    """The arguments of the task that audits the images of a study; None: all that were imported."""
    return {"study": study}


def kept_audit(session: Session, study: str | None) -> KeptAudit | None:
    """What was computed last; None before that."""
    done = _newest(session, study, BackgroundTask.state == JobState.SUCCEEDED)
    if done is None or done.result is None or done.ended_at is None:
        return None
    record, now = done.result["audit"], fingerprint(session, _wanted(session, study))
    return KeptAudit(
        found=ShortcutAudit.of_record(record) if record else None,
        images=done.result["of"]["images"],
        computed_at=done.ended_at,
        changed=now != done.result["of"],
    )


def audit_under_way(session: Session, study: str | None) -> BackgroundTask | None:
    """The last task that was asked for, while it is unfinished or if it has failed."""
    newest = _newest(session, study)
    shows = (*UNFINISHED, JobState.FAILED)
    return newest if newest is not None and newest.state in shows else None


def make_audit(
    session: Session, blobs: BlobStore, study: str | None, on_progress: OnProgress
) -> dict[str, Any]:
    """The audit, and the fingerprint of what it looked at. `NotFound`: there is no such study any more."""
    wanted = _wanted(session, study)
    looked_at = fingerprint(session, wanted)
    found = audit_stored(session, blobs, wanted, on_progress=on_progress)
    return {"audit": found.as_record() if found else None, "of": looked_at}


def _wanted(session: Session, study: str | None) -> ColumnElement[bool]:
    return imported() if study is None else shown_in(find_study(session, study))


def _newest(session: Session, study: str | None, *conditions: ColumnElement[bool]) -> BackgroundTask | None:
    of_these = (BackgroundTask.kind == TaskKind.AUDIT, BackgroundTask.arguments == arguments_of(study))
    newest = select(BackgroundTask).where(*of_these, *conditions).order_by(BackgroundTask.id.desc())
    return session.scalar(newest.limit(1))
