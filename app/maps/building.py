"""Building a map set: who may, what staff see meanwhile, and what is left when it fails or is cut off."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import func, select, update

from app.db import SessionFactory, snapshot
from app.errors import AppError, WrongState
from app.maps.assembling import Assembly, Progress
from app.models import JobState, MapSet
from app.storage import BlobStore

logger = logging.getLogger(__name__)

BUILDING_LOCK: Final = 4712
"""First key of the advisory lock that whoever builds a map set holds; the second is the map set."""


class Interrupted(Exception):
    """The build was asked to stop before it was done."""


def build_map_set(
    sessions: SessionFactory,
    blobs: BlobStore,
    map_set_id: int,
    *,
    jobs: int = 1,
    on_progress: Progress = lambda _done, _total: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Build the map set that was asked for; one that is built already stays as it is.

    A map whose inputs are those of an earlier one of the study is taken over from there. A build that was
    cut off leaves no rows and starts again. Memory does not grow with the number of images.

    jobs : processes that share the work
    on_progress : told how many images are done, of how many
    should_stop : asked after every image; True sends the map set back to waiting and raises `Interrupted`
    """
    with _held(sessions, map_set_id) as map_set:
        if map_set.state is JobState.SUCCEEDED:
            return
        # Before the snapshot: whoever withdraws from here on makes the set stale again.
        _record(sessions, map_set_id, state=JobState.RUNNING, error=None, stale=False)
        try:
            summary = _assembled(sessions, blobs, map_set_id, jobs, _watched(on_progress, should_stop))
        except Interrupted:
            _record(sessions, map_set_id, state=JobState.QUEUED)
            raise
        except (Exception, KeyboardInterrupt) as error:
            _record(sessions, map_set_id, state=JobState.FAILED, error=sentence(error))
            raise
        _record(sessions, map_set_id, state=JobState.SUCCEEDED, built_at=datetime.now(UTC), **summary)


def _assembled(
    sessions: SessionFactory, blobs: BlobStore, map_set_id: int, jobs: int, on_progress: Progress
) -> dict[str, Any]:
    """All rows in one transaction, from one state of the database."""
    with snapshot(sessions) as session:
        assembly = Assembly(session, blobs, session.get_one(MapSet, map_set_id))
        assembly.run(jobs, on_progress)
        session.commit()
    return assembly.summary()


@contextmanager
def _held(sessions: SessionFactory, map_set_id: int) -> Iterator[MapSet]:
    """The map set, which nobody else builds meanwhile; a process that dies holds it no longer."""
    with sessions() as session:
        if not session.scalar(select(func.pg_try_advisory_xact_lock(BUILDING_LOCK, map_set_id))):
            raise WrongState("This map set is being built already.")
        try:
            yield session.get_one(MapSet, map_set_id)
        finally:
            session.commit()


def _record(sessions: SessionFactory, map_set_id: int, **values: Any) -> None:
    """State is written apart from the maps, so that staff see it while the build goes on."""
    with sessions.begin() as session:
        session.execute(update(MapSet).where(MapSet.id == map_set_id).values(**values))


def sentence(error: BaseException) -> str:
    """What to tell staff about a build that failed."""
    match error:
        case KeyboardInterrupt():
            return "The build was interrupted; build again."
        case AppError() | ValueError() | OSError():
            return str(error)
        case _:
            return f"The build stopped unexpectedly: {type(error).__name__}: {error}"


def _watched(on_progress: Progress, should_stop: Callable[[], bool]) -> Progress:
    def watch(done: int, total: int) -> None:
        on_progress(done, total)
        if should_stop():
            raise Interrupted

    return watch
