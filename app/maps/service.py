"""Map sets: asked for by staff, numbered, and never changed once built."""

from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound, WrongState
from app.jobs import BUILD_MAPS, cancel, enqueue, is_alive
from app.maps.inputs import Inputs, read_inputs
from app.models import UNFINISHED, Arm, JobState, MapSet, Question, SaliencyMap, Study
from app.quality.service import SENTENCES
from saliency.parameters import ANY_FLAG, DESCRIPTIONS, THINGS, MapParameters

NUMBERING_LOCK: Final = 4711
"""First key of the advisory lock under which a study's map sets are numbered; the second is the study."""


def request_map_set(
    session: Session, study: Study, parameters: MapParameters, *, queued: bool = True
) -> MapSet:
    """The study's next map set, and the job that builds it.

    The same parameters on the same annotations were built before: that map set, and no job. One with the
    same parameters waits, or was cut off: that one, and a job if it has none.
    `queued` says whether a worker builds it; otherwise the caller does.
    """
    _check_names(session, study, parameters)
    inputs = read_inputs(session, study.id, parameters)
    if not inputs.annotations:
        raise BadInput(
            f"The study {study.slug} has {_nothing(parameters)}, so there is nothing to build maps from."
        )
    session.execute(select(func.pg_advisory_xact_lock(NUMBERING_LOCK, study.id)))
    if same := _built_before(session, study, parameters, inputs):
        return same
    map_set = _unfinished(session, study, parameters) or _next(session, study, parameters)
    if queued and not (map_set.job_id and is_alive(session, map_set.job_id)):
        map_set.job_id = enqueue(session, BUILD_MAPS, lock=f"maps:{study.id}", map_set_id=map_set.id)
    return map_set


def abort_map_set(session: Session, map_set: MapSet) -> None:
    """Take a waiting build back, or ask one that runs to stop; what it has made is removed."""
    session.refresh(map_set, with_for_update=True)
    if map_set.state not in UNFINISHED:
        raise WrongState(f"Map set {map_set.version} is {map_set.state}; only one under way can be aborted.")
    asked = map_set.job_id is not None and cancel(session, map_set.job_id)
    if map_set.state is JobState.QUEUED or not asked:
        map_set.state = JobState.ABORTED
        session.execute(delete(SaliencyMap).where(SaliencyMap.map_set_id == map_set.id))


def _check_names(session: Session, study: Study, parameters: MapParameters) -> None:
    """A name that is misspelt would silently count nothing, or leave nothing out."""
    arms = session.scalars(select(Arm.name).where(Arm.study_id == study.id).order_by(Arm.id)).all()
    known = {"arms": arms, "questions": list(Question), "without_flags": [ANY_FLAG, *SENTENCES]}
    for parameter, thing in THINGS.items():
        names = known[parameter]
        for name in getattr(parameters, parameter):
            if name not in names:
                raise BadInput(f"There is no {thing} {name!r} in {study.slug}; there are {', '.join(names)}.")


def _nothing(parameters: MapParameters) -> str:
    """What is missing, in the words of the parameters."""
    kind = "correct annotation" if parameters.include == "correct" else "annotation"
    plain = MapParameters(include=parameters.include)
    filters = (name for name, described in DESCRIPTIONS.items() if described.step == "filter")
    narrowed = any(getattr(parameters, name) != getattr(plain, name) for name in filters)
    return f"no {kind} that these parameters count" if narrowed else f"no {kind} yet"


def _next(session: Session, study: Study, parameters: MapParameters) -> MapSet:
    last = session.scalar(select(func.max(MapSet.version)).where(MapSet.study_id == study.id))
    map_set = MapSet(study_id=study.id, version=(last or 0) + 1, parameters=parameters.to_dict())
    session.add(map_set)
    session.flush()  # the job refers to it
    return map_set


def _unfinished(session: Session, study: Study, parameters: MapParameters) -> MapSet | None:
    """One that waits or is being built, or whose builder died; its inputs are read when it is built."""
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


def built_map_set(session: Session, study: Study, version: int | None = None) -> MapSet:
    """As `find_map_set`, and one that has maps; stale ones can still be looked at."""
    found = find_map_set(session, study, version)
    if found.state is not JobState.SUCCEEDED:
        raise WrongState(
            f"Map set {found.version} of the study {study.slug} is {found.state}, so it has no maps."
        )
    return found
