"""Build a map set, and begin again when somebody withdraws meanwhile."""

import logging

from app.background import Attempt, OnProgress, StopCheck, carry_out
from app.db import SessionFactory
from app.maps.assembling import Assembly, InputsGone
from app.maps.service import MAP_SETS
from app.models import MapSet
from app.storage import BlobStore

logger = logging.getLogger(__name__)


def build_map_set(
    sessions: SessionFactory,
    blobs: BlobStore,
    map_set_id: int,
    *,
    jobs: int = 1,
    on_progress: OnProgress = lambda _done, _total: None,
    should_stop: StopCheck = lambda: None,
) -> None:
    """Build a map set; one that has ended already stays as it is.

    It holds the annotations that count when its build begins. A withdrawal during the build makes the set
    stale; if it deletes strokes that were not read yet, the build begins again without them. A map with the
    same inputs as an earlier one is reused, even from an earlier try that was cut off. No transaction is open
    while maps are rendered, and memory does not grow with the number of images.

    jobs : processes that share the work
    on_progress : called after every image
    should_stop : called after every image
    `Interrupted`: `should_stop` says so, or somebody has aborted the set
    """

    def build(attempt: Attempt[MapSet], map_set: MapSet) -> None:
        def after_each_image(done: int, total: int) -> None:
            on_progress(done, total)
            attempt.check()

        while not _is_built(attempt, map_set, blobs, jobs, after_each_image):
            logger.info("built anew", extra={"action": "map_set_begins_again", "map_set": map_set_id})

    carry_out(sessions, MAP_SETS, map_set_id, build, should_stop=should_stop)


def _is_built(
    attempt: Attempt[MapSet], map_set: MapSet, blobs: BlobStore, jobs: int, on_progress: OnProgress
) -> bool:
    """Try to build; False when annotations were deleted before they were read."""
    with attempt.sessions.begin() as session:
        # Before the inputs are read, so that a withdrawal from now on makes the set stale again.
        attempt.write(session, stale=False, done=0)
    try:
        Assembly(attempt, blobs, map_set).run(jobs, on_progress)
    except InputsGone:
        return False
    return True
