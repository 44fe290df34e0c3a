"""Map sets: asked for by staff, numbered, and never changed once built."""

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound
from app.jobs import BUILD_MAPS, enqueue
from app.maps.queries import Include, identity_rows, streamed
from app.models import JobState, MapSet, Study
from saliency.parameters import MapParameters

NUMBERING_LOCK: Final = 4711
"""First key of the advisory lock under which a study's map sets are numbered; the second is the study."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The annotations that a map set would be built from."""

    hash: str
    annotations: int
    images: int


def request_map_set(
    session: Session, study: Study, parameters: MapParameters, *, queued: bool = True
) -> MapSet:
    """The study's next map set, and the job that builds it.

    The same parameters on the same annotations were built before: that map set, and no job. `queued`
    says whether a worker builds it; otherwise the caller does.
    """
    inputs = read_inputs(session, study.id, include=parameters.include)
    if not inputs.annotations:
        kind = "correct annotation" if parameters.include == "correct" else "annotation"
        raise BadInput(f"The study {study.slug} has no {kind} yet, so there is nothing to build maps from.")
    session.execute(select(func.pg_advisory_xact_lock(NUMBERING_LOCK, study.id)))
    if same := _built_before(session, study, parameters, inputs):
        return same
    last = session.scalar(select(func.max(MapSet.version)).where(MapSet.study_id == study.id))
    map_set = MapSet(study_id=study.id, version=(last or 0) + 1, parameters=parameters.to_dict())
    session.add(map_set)
    session.flush()  # the job refers to it
    if queued:
        enqueue(session, BUILD_MAPS, lock=f"maps:{study.id}", map_set_id=map_set.id)
    return map_set


def _built_before(session: Session, study: Study, parameters: MapParameters, inputs: Inputs) -> MapSet | None:
    return session.scalar(
        select(MapSet)
        .where(
            MapSet.study_id == study.id,
            MapSet.state == JobState.SUCCEEDED,
            MapSet.stale.is_(False),
            MapSet.parameters == parameters.to_dict(),
            MapSet.inputs_hash == inputs.hash,
        )
        .order_by(MapSet.version.desc())
        .limit(1)
    )


def newest_map_set(session: Session, study: Study) -> MapSet | None:
    """The last map set that was built and is not stale."""
    return session.scalar(
        select(MapSet)
        .where(MapSet.study_id == study.id, MapSet.state == JobState.SUCCEEDED, MapSet.stale.is_(False))
        .order_by(MapSet.version.desc())
        .limit(1)
    )


def find_map_set(session: Session, study: Study, version: int | None = None) -> MapSet:
    """A map set of a study by its version, or the newest that is built and not stale."""
    numbered = select(MapSet).where(MapSet.study_id == study.id, MapSet.version == version)
    found = newest_map_set(session, study) if version is None else session.scalar(numbered)
    if found is None:
        which = "no map set yet; build one" if version is None else f"no map set {version}"
        raise NotFound(f"The study {study.slug} has {which}.")
    return found


def read_inputs(session: Session, study_id: int, *, include: Include) -> Inputs:
    """Hash and count what a map set would be built from."""
    digest, count, images, last = hashlib.sha256(), 0, 0, None
    for annotation_id, image_id, correct, body_hash in streamed(
        session, identity_rows(study_id, include=include)
    ):
        digest.update(f"{annotation_id} {image_id} {correct:d} {body_hash}\n".encode())
        count += 1
        images += image_id != last
        last = image_id
    return Inputs(digest.hexdigest(), count, images)
