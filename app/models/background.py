"""Background work: a worker does it, because it takes longer than a page may."""

import enum
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Json, Now, closed_set


class JobState(enum.StrEnum):
    QUEUED = "queued"  # also running -> queued, when a worker stops and leaves the rest to the next one
    RUNNING = "running"  # queued -> running
    SUCCEEDED = "succeeded"  # running -> succeeded
    FAILED = "failed"  # running -> failed
    ABORTED = "aborted"  # queued | running -> aborted


UNFINISHED: Final = (JobState.QUEUED, JobState.RUNNING)
ENDED: Final = (JobState.SUCCEEDED, JobState.FAILED, JobState.ABORTED)


class BackgroundWork:
    """The columns of every table whose rows are made by a worker; `app.background` moves their state."""

    state: Mapped[JobState] = mapped_column(closed_set(JobState, "state"), default=JobState.QUEUED)
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    """The queue's job, which can be asked to stop; None when a command does the work."""
    error: Mapped[str | None]
    """Why it failed, in one sentence."""
    ended_at: Mapped[datetime | None]


class WorkWithProgress(BackgroundWork):
    """Background work that counts its steps."""

    done: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    total: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """Steps that are done, of how many; 0 until they are counted."""


class TaskKind(enum.StrEnum):
    FREEZE = "freeze"
    EXPORT = "export"
    SCORE = "score"
    AUDIT = "audit"


class BackgroundTask(WorkWithProgress, Base):
    """A freeze, an export, an image to score or an audit: work whose result is not a table of its own."""

    __tablename__ = "background_task"

    id: Mapped[Id]
    kind: Mapped[TaskKind] = mapped_column(closed_set(TaskKind, "kind"))
    arguments: Mapped[Json]
    result: Mapped[Json | None]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Now] = mapped_column(index=True)
