"""Map sets: requested by staff, numbered, and never changed once built."""

from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.background import NumberingLock, WorkKind, abort, lock_numbers, next_version, queue_work
from app.errors import BadInput, NotFound, WrongState
from app.jobs import BUILD_MAPS
from app.maps.inputs import MapSetInputs, read_inputs
from app.models import UNFINISHED, Arm, JobState, MapSet, Question, SaliencyMap, Study
from app.quality.service import SENTENCES
from saliency.parameters import ANY_FLAG, DESCRIPTIONS, THINGS, MapParameters


def discard_maps(session: Session, map_set_id: Any) -> None:
    """Remove the maps of a build that failed or was aborted."""
    session.execute(delete(SaliencyMap).where(SaliencyMap.map_set_id == map_set_id))


MAP_SETS: Final = WorkKind(MapSet, "map set", BUILD_MAPS, "map_set_id", discard=discard_maps)


def request_map_set(
    session: Session, study: Study, parameters: MapParameters, *, queued: bool = True
) -> MapSet:
    """The map set of these parameters on the annotations of now, and the job that builds it.

    One that was built before from the same annotations is returned as it is. One with the same parameters
    that is queued, or whose build was cut off, is returned, with a new job if it has none. Otherwise it is a
    new row.

    queued : a worker builds it; otherwise the caller does
    `BadInput`: no annotation counts under these parameters, or they name an arm, a question or a flag that
        does not exist
    """
    _check_names(session, study, parameters)
    inputs = read_inputs(session, study.id, parameters)
    if not inputs.annotations:
        raise BadInput(
            f"The study {study.slug} has {_nothing(parameters)}, so there is nothing to build maps from."
        )
    lock_numbers(session, NumberingLock.MAP_SETS, study.id)
    if same := _built_before(session, study, parameters, inputs):
        return same
    map_set = _unfinished(session, study, parameters) or _next(session, study, parameters)
    if queued:
        queue_work(session, MAP_SETS, map_set, lock=f"maps:{study.id}")
    return map_set


def abort_map_set(session: Session, map_set: MapSet) -> None:
    """Abort a queued or running build; the maps that it has made are removed."""
    abort(session, MAP_SETS, map_set)


def _check_names(session: Session, study: Study, parameters: MapParameters) -> None:
    """Refuse a misspelt name, which would silently select no annotation, or exclude none."""
    arms = session.scalars(select(Arm.name).where(Arm.study_id == study.id).order_by(Arm.id)).all()
    known = {"arms": arms, "questions": list(Question), "without_flags": [ANY_FLAG, *SENTENCES]}
    for parameter, thing in THINGS.items():
        names = known[parameter]
        for name in getattr(parameters, parameter):
            if name not in names:
                raise BadInput(f"There is no {thing} {name!r} in {study.slug}; there are {', '.join(names)}.")


def _nothing(parameters: MapParameters) -> str:
    """What is missing, as a part of a sentence."""
    kind = "correct annotation" if parameters.include == "correct" else "annotation"
    plain = MapParameters(include=parameters.include)
    filters = (name for name, described in DESCRIPTIONS.items() if described.step == "filter")
    is_narrowed = any(getattr(parameters, name) != getattr(plain, name) for name in filters)
    return f"no {kind} that these parameters count" if is_narrowed else f"no {kind} yet"


def _next(session: Session, study: Study, parameters: MapParameters) -> MapSet:
    version = next_version(session, MapSet, study.id)
    map_set = MapSet(study_id=study.id, version=version, parameters=parameters.to_dict())
    session.add(map_set)
    session.flush()  # callers name it by its id
    return map_set


def _unfinished(session: Session, study: Study, parameters: MapParameters) -> MapSet | None:
    """A map set of these parameters that is queued or running; its annotations are read when it is built."""
    return session.scalar(
        select(MapSet)
        .where(
            MapSet.study_id == study.id,
            MapSet.state.in_(UNFINISHED),
            MapSet.parameters == parameters.to_dict(),
        )
        .order_by(MapSet.version.desc())
        .limit(1)
    )


def _built_before(
    session: Session, study: Study, parameters: MapParameters, inputs: MapSetInputs
) -> MapSet | None:
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
    map_set = newest_map_set(session, study) if version is None else session.scalar(numbered)
    if map_set is None:
        missing = "no map set yet; build one" if version is None else f"no map set {version}"
        raise NotFound(f"The study {study.slug} has {missing}.")
    return map_set


def built_map_set(session: Session, study: Study, version: int | None = None) -> MapSet:
    """A map set as `find_map_set` returns it; `WrongState` when it has no maps. A stale one has some."""
    map_set = find_map_set(session, study, version)
    if map_set.state is not JobState.SUCCEEDED:
        raise WrongState(
            f"Map set {map_set.version} of the study {study.slug} is {map_set.state}, so it has no maps."
        )
    return map_set
