"""The life cycle of background work: map sets, analyses, runs, and background tasks.

    queued ──► running ──► succeeded
       ▲          │
       └──────────┤  the worker has to stop: another one goes on
                  ├──► failed   an error, or given up: every worker that tried it died
                  └──► aborted  somebody asked for it; also straight from queued

The transaction that adds a row also queues its job. A worker does the work while it holds a lock named after
the row, so that no other worker does it, too. Every change of state and every progress report is a short
transaction of its own, and changes the row only while it is running, so that an abort is never overwritten.
"""

import enum
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, func, inspect, select, update
from sqlalchemy.orm import Session

from app.audit.recording import unwatched
from app.db import SessionFactory, named_locks
from app.errors import AppError, WrongState
from app.jobs import cancel, enqueue, is_alive
from app.models import UNFINISHED, BackgroundWork, JobState, MapSet, StudyAnalysis, WorkWithProgress

logger = logging.getLogger(__name__)

WRITE_EVERY_S: Final = 1.0
"""Between two progress reports in the database."""

W = TypeVar("W", bound=BackgroundWork)

OnProgress = Callable[[int, int], None]
"""Takes the steps that are done, and how many there are."""

StopCheck = Callable[[], JobState | None]
"""None to go on; otherwise the state in which to stop: `queued` for another worker, or `aborted`."""


class NumberingLock(enum.IntEnum):
    """First key of the advisory lock under which rows of a study are numbered; the second is the study."""

    MAP_SETS = 4711
    ANALYSES = 4713


class Interrupted(Exception):
    """The work was asked to stop before it was done; `state` is the one in which it stops."""

    def __init__(self, state: JobState) -> None:
        super().__init__(state)
        self.state = state


def discard_nothing(_session: Session, _work_id: Any) -> None:
    pass


@dataclass(frozen=True, slots=True)
class WorkKind(Generic[W]):
    """One kind of background work.

    table : its rows
    noun : what a row is called in sentences
    job : the name of the job that does it
    argument : of the job; names the row
    discard : removes what work that failed or was aborted leaves behind
    """

    table: type[W]
    noun: str
    job: str
    argument: str
    discard: Callable[[Session, Any], None] = discard_nothing

    def is_row(self, work_id: Any) -> ColumnElement[bool]:
        is_row: ColumnElement[bool] = self._key == work_id
        return is_row

    def id_from(self, argument: int | str) -> Any:
        """The primary key from the argument of a job, which is JSON."""
        return self._key.type.python_type(argument)

    @property
    def _key(self) -> Column[Any]:
        key: Column[Any] = inspect(self.table).primary_key[0]
        return key

    def id_of(self, work: W) -> Any:
        return inspect(self.table).primary_key_from_instance(work)[0]


# ---- requesting work ----


def lock_numbers(session: Session, lock: NumberingLock, study_id: int) -> None:
    """Lock the numbering of a study until the transaction ends, so that no number is given twice."""
    session.execute(select(func.pg_advisory_xact_lock(lock, study_id)))


def next_version(session: Session, table: type[MapSet] | type[StudyAnalysis], study_id: int) -> int:
    """The number after the last one of the study, from 1 on; the caller holds the numbering lock."""
    last = session.scalar(select(func.max(table.version)).where(table.study_id == study_id))
    return (last or 0) + 1


def queue_work(session: Session, kind: WorkKind[W], work: W, *, lock: str) -> None:
    """Queue the job that does the work, unless one is queued or runs already.

    lock : of the queue; jobs that share it run one after the other
    """
    if work.job_id is not None and is_alive(session, work.job_id):
        return
    session.flush()  # the job refers to it
    work_id = kind.id_of(work)
    argument = work_id if isinstance(work_id, int) else str(work_id)  # JSON
    work.job_id = enqueue(session, kind.job, lock=lock, **{kind.argument: argument})


def abort(session: Session, kind: WorkKind[W], work: W) -> None:
    """Take queued work back, or ask the worker that does it to stop.

    `WrongState`: the work has ended already.
    """
    session.refresh(work, with_for_update=True)
    if work.state not in UNFINISHED:
        raise WrongState(f"This {kind.noun} has ended already: {work.state}.")
    is_asked = work.job_id is not None and cancel(session, work.job_id)
    if work.state is JobState.QUEUED or not is_asked:
        end(session, kind, kind.id_of(work), JobState.ABORTED)
        session.refresh(work)


def end(session: Session, kind: WorkKind[W], work_id: Any, state: JobState, error: str | None = None) -> None:
    """Write that unfinished work has failed or was aborted, and discard what it made."""
    unfinished = kind.is_row(work_id) & kind.table.state.in_(UNFINISHED)
    values = {"state": state, "error": error, "ended_at": func.now()}
    if _changed(session, kind, unfinished, values):
        kind.discard(session, work_id)


def _changed(
    session: Session, kind: WorkKind[W], condition: ColumnElement[bool], values: Mapping[str, Any]
) -> bool:
    """Change the row that meets the condition; False when there is none."""
    change = update(kind.table).where(condition).values(**values).returning(kind.table.state)
    return session.execute(change, execution_options={"synchronize_session": False}).first() is not None


# ---- doing it ----


class Attempt(Generic[W]):
    """One try at a piece of background work, by the only worker that does it.

    sessions : makes the session of each short transaction
    work_id : the row's primary key
    """

    def __init__(
        self, sessions: SessionFactory, kind: WorkKind[W], work_id: Any, should_stop: StopCheck
    ) -> None:
        self.sessions, self.kind, self.work_id = sessions, kind, work_id
        self._should_stop = should_stop
        self._written_at = -WRITE_EVERY_S

    def begin(self) -> W | None:
        """The row, which runs from now on; None when it has ended, or is gone."""
        with self.sessions.begin() as session:
            work = session.get(self.kind.table, self.work_id, with_for_update=True)
            if work is None or work.state not in UNFINISHED:
                return None
            work.state, work.error = JobState.RUNNING, None
            if isinstance(work, WorkWithProgress):
                work.done = work.total = 0
            return work

    def check(self) -> None:
        """Raise `Interrupted` when the work has to stop."""
        if (state := self._should_stop()) is not None:
            raise Interrupted(state)

    def write(self, session: Session, **values: Any) -> None:
        """Change the row in the caller's transaction. `Interrupted`: somebody has aborted it."""
        if not _changed(session, self.kind, self._is_running, values):
            raise Interrupted(JobState.ABORTED)

    @property
    def _is_running(self) -> ColumnElement[bool]:
        return self.kind.is_row(self.work_id) & (self.kind.table.state == JobState.RUNNING)

    def report(self, done: int, total: int) -> None:
        """Write the progress, once a second and at the end. `Interrupted`: the work has to stop."""
        self.check()
        if done < total and time.monotonic() - self._written_at < WRITE_EVERY_S:
            return
        self._written_at = time.monotonic()
        with self.sessions.begin() as session:
            self.write(session, done=done, total=total)

    def succeed(self, session: Session, **values: Any) -> None:
        """Write the result in the caller's transaction, beside whatever belongs to it."""
        self.write(session, state=JobState.SUCCEEDED, ended_at=func.now(), **values)

    def stop(self, state: JobState, error: str | None = None) -> None:
        """Return the work to the queue, or write why there will be no result."""
        with self.sessions.begin() as session:
            if state is JobState.QUEUED:
                _changed(session, self.kind, self._is_running, {"state": state})
            else:
                end(session, self.kind, self.work_id, state, error)


def carry_out(
    sessions: SessionFactory,
    kind: WorkKind[W],
    work_id: Any,
    do: Callable[[Attempt[W], W], None],
    *,
    should_stop: StopCheck = lambda: None,
) -> None:
    """Do queued work once; work that has ended stays as it is.

    do : does it, and calls `Attempt.succeed`. If it raises, the row says why, and the error is raised again
    `WrongState`: another worker does it already.
    """
    sessions = unwatched(sessions)
    with named_locks(sessions, {f"{kind.noun} {work_id}": f"This {kind.noun} is being worked on already."}):
        attempt = Attempt(sessions, kind, work_id, should_stop)
        work = attempt.begin()
        if work is None:
            return
        try:
            do(attempt, work)
        except Interrupted as interrupted:
            attempt.stop(interrupted.state)
            raise
        except (Exception, KeyboardInterrupt) as error:
            attempt.stop(JobState.FAILED, sentence(error))
            raise


def sentence(error: BaseException) -> str:
    """Why work has failed, in one sentence for staff."""
    match error:
        case KeyboardInterrupt():
            return "It was interrupted; ask for it again."
        case AppError() | ValueError() | OSError():
            return str(error)
        case _:
            return f"It stopped unexpectedly: {type(error).__name__}: {error}"
