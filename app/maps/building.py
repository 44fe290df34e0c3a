"""Building a map set: annotations stream in from the database, maps go out to the blobs."""

import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.db import SessionFactory
from app.errors import AppError, BadInput, WrongState
from app.maps.queries import Include, annotations, snapshot
from app.maps.service import Inputs, read_inputs
from app.models import JobState, MapSet, SaliencyMap
from app.storage import BlobStore
from saliency.annotations import Annotation, ImageAnnotations
from saliency.build import EncodedMap, build_encoded_maps
from saliency.parameters import MapParameters
from saliency.strokes import StrokeError, parse_strokes

logger = logging.getLogger(__name__)

BUILDING_LOCK: Final = 4712
"""First key of the advisory lock that whoever builds a map set holds; the second is the map set."""

ROWS_AT_A_TIME: Final = 200

Progress = Callable[[int, int], None]
Row = dict[str, Any]


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

    A build that was cut off starts again from nothing. Memory does not grow with the number of images.

    jobs : processes that share the work
    on_progress : told how many images are done, of how many
    should_stop : asked after every image; True sends the map set back to waiting and raises `Interrupted`
    """
    with snapshot(sessions) as session:
        map_set = _taken(session, map_set_id)
        if map_set.state is JobState.SUCCEEDED:
            return
        _record(sessions, map_set_id, state=JobState.RUNNING, error=None)
        try:
            inputs = _build(session, blobs, map_set, jobs, _watched(on_progress, should_stop))
            session.commit()
        except Interrupted:
            session.rollback()
            _record(sessions, map_set_id, state=JobState.QUEUED)
            raise
        except (Exception, KeyboardInterrupt) as error:
            session.rollback()
            _record(sessions, map_set_id, state=JobState.FAILED, error=sentence(error))
            raise
    built = {"inputs_hash": inputs.hash, "annotations": inputs.annotations, "built_at": datetime.now(UTC)}
    _record(sessions, map_set_id, state=JobState.SUCCEEDED, **built)


def _taken(session: Session, map_set_id: int) -> MapSet:
    """The map set, held until the session ends, so that two workers never build the same one."""
    if not session.scalar(select(func.pg_try_advisory_xact_lock(BUILDING_LOCK, map_set_id))):
        raise WrongState("This map set is being built already.")
    return session.get_one(MapSet, map_set_id)


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


def _build(session: Session, blobs: BlobStore, map_set: MapSet, jobs: int, on_progress: Progress) -> Inputs:
    parameters = MapParameters.from_dict(map_set.parameters)
    inputs = read_inputs(session, map_set.study_id, include=parameters.include)
    session.execute(delete(SaliencyMap).where(SaliencyMap.map_set_id == map_set.id))
    with closing(images_of(session, map_set.study_id, include=parameters.include)) as images:
        built = build_encoded_maps(images, parameters, jobs=jobs)
        rows = _stored(blobs, map_set.id, _counted(built, inputs.images, on_progress))
        while part := list(islice(rows, ROWS_AT_A_TIME)):
            session.execute(insert(SaliencyMap), part)
    return inputs


def _counted(
    built: Iterable[tuple[str, EncodedMap | None]], total: int, on_progress: Progress
) -> Iterator[EncodedMap]:
    for done, (_, one) in enumerate(built, start=1):
        on_progress(done, total)
        if one is not None:
            yield one


def _stored(blobs: BlobStore, map_set_id: int, maps: Iterable[EncodedMap]) -> Iterator[Row]:
    for one in maps:
        yield {
            "map_set_id": map_set_id,
            "image_id": int(one.image_id),
            "blob_hash": blobs.put(one.png),
            "annotators": one.annotators,
            "coverage": one.coverage,
            "entropy": one.entropy,
            "agreement": one.agreement,
        }


def images_of(
    session: Session, study_id: int, *, include: Include
) -> Generator[ImageAnnotations, None, None]:
    """The annotated images of a study, one at a time."""
    rows = annotations(session, study_id, include=include)
    for image_id, group in groupby(rows, key=itemgetter("image_id")):
        of_image = list(group)
        yield ImageAnnotations(
            image_id=str(image_id),
            width=of_image[0]["width"],
            height=of_image[0]["height"],
            annotations=tuple(_parsed(row) for row in of_image),
        )


def _parsed(row: Mapping[str, Any]) -> Annotation:
    try:
        strokes = parse_strokes(row["strokes"], width=row["width"], height=row["height"])
    except StrokeError as error:
        raise BadInput(f"Annotation {row['annotation_id']}: {error}.") from error
    return Annotation(str(row["annotation_id"]), correct=row["correct"], strokes=strokes)
