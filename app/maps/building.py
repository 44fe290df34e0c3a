"""Building a map set: who may, what staff see meanwhile, and what is left when it fails or is cut off."""

import logging
from collections.abc import Callable
from typing import Any

from sqlalchemy import delete, update

from app.db import SessionFactory, held
from app.errors import AppError
from app.maps.assembling import Assembly, InputsGone, Progress, TakenAway
from app.models import JobState, MapSet, SaliencyMap
from app.storage import BlobStore

logger = logging.getLogger(__name__)

Stop = Callable[[], JobState | None]


class Interrupted(Exception):
    """The build was asked to stop before it was done; its state says how."""

    def __init__(self, state: JobState) -> None:
        super().__init__(state)
        self.state = state


def build_map_set(
    sessions: SessionFactory,
    blobs: BlobStore,
    map_set_id: int,
    *,
    jobs: int = 1,
    on_progress: Progress = lambda _done, _total: None,
    should_stop: Stop = lambda: None,
) -> None:
    """Build the map set that was asked for; one that is built already stays as it is.

    A map set is of the annotations that count when its build begins. Whoever withdraws meanwhile makes it
    stale; if their strokes are gone before they were read, the build begins again without them. A map whose
    inputs are those of an earlier one is taken over from there, also from an earlier try that was cut off.
    No transaction is open while maps are made, and memory does not grow with the number of images.

    jobs : processes that share the work
    on_progress : told how many images are done, of how many
    should_stop : asked after every image; a state stops the build: `queued` to be gone on with by somebody
        else, `aborted` for good. Then, and when somebody aborts the set, `Interrupted` is raised
    """
    with held(sessions, {f"map set {map_set_id}": "This map set is being built already."}):
        with sessions() as session:
            if session.get_one(MapSet, map_set_id).state is JobState.SUCCEEDED:
                return
        try:
            _build(sessions, blobs, map_set_id, jobs, _watched(on_progress, should_stop))
        except TakenAway:
            forget_maps(sessions, map_set_id)
            raise Interrupted(JobState.ABORTED) from None
        except Interrupted as stopped:
            _end(sessions, map_set_id, state=stopped.state)
            raise
        except (Exception, KeyboardInterrupt) as error:
            _end(sessions, map_set_id, state=JobState.FAILED, error=sentence(error))
            raise


def _build(
    sessions: SessionFactory, blobs: BlobStore, map_set_id: int, jobs: int, on_progress: Progress
) -> None:
    """Try until nobody's annotations vanish in the middle of it."""
    while True:
        # Before the inputs are read: whoever withdraws from here on makes the set stale again.
        map_set = _begun(sessions, map_set_id)
        try:
            Assembly(sessions, blobs, map_set).run(jobs, on_progress)
        except InputsGone:
            logger.info("built anew", extra={"action": "map_set_begins_again", "map_set": map_set_id})
        else:
            return


def _begun(sessions: SessionFactory, map_set_id: int) -> MapSet:
    with sessions.begin() as session:
        map_set = session.get_one(MapSet, map_set_id, with_for_update=True)
        if map_set.state is JobState.ABORTED:
            raise TakenAway
        map_set.state, map_set.error, map_set.stale, map_set.done = JobState.RUNNING, None, False, 0
    return map_set


def _end(sessions: SessionFactory, map_set_id: int, **values: Any) -> None:
    """Say how a build ended that is not done; what it made stays only for whoever goes on with it."""
    with sessions.begin() as session:
        session.execute(update(MapSet).where(MapSet.id == map_set_id).values(**values))
    if values["state"] is not JobState.QUEUED:
        forget_maps(sessions, map_set_id)


def forget_maps(sessions: SessionFactory, map_set_id: int) -> None:
    """Remove what an unfinished build has made."""
    with sessions.begin() as session:
        session.execute(delete(SaliencyMap).where(SaliencyMap.map_set_id == map_set_id))


def sentence(error: BaseException) -> str:
    """What to tell staff about a build that failed."""
    match error:
        case KeyboardInterrupt():
            return "The build was interrupted; build again."
        case AppError() | ValueError() | OSError():
            return str(error)
        case _:
            return f"The build stopped unexpectedly: {type(error).__name__}: {error}"


def _watched(on_progress: Progress, should_stop: Stop) -> Progress:
    def watch(done: int, total: int) -> None:
        on_progress(done, total)
        if state := should_stop():
            raise Interrupted(state)

    return watch
