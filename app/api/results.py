"""Map sets and analyses: asked for, looked at, stopped."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy.orm import Session

from app.analysis.queries import Choice, Who, checked
from app.analysis.requests import abort_analysis, find_analysis, request_analysis
from app.dashboard.maps.queries import map_sets
from app.dashboard.studies.queries import analyses_of
from app.deps import CurrentStaff, Db, Editor
from app.maps.diff import CHANGE_KINDS, compare_sets
from app.maps.service import abort_map_set, built_map_set, find_map_set, request_map_set
from app.messages import Answer, Body, facts_of
from app.models import JobState, Label, MapSet, Study, StudyAnalysis
from app.studies.service import find_study
from saliency.parameters import MapParameters

router: Final = APIRouter(prefix="/api")


class WorkView(Answer):
    """Background work of a study: a map set or an analysis."""

    version: int
    state: JobState
    done: int
    total: int
    """Steps that are done, of how many; 0 until they are counted."""
    error: str | None
    parameters: dict[str, Any]
    created_at: datetime
    built_at: datetime | None


class MapSetView(WorkView):
    """All saliency maps of a study under one set of parameters."""

    annotations: int | None
    stale: bool
    """A participant whose annotations are in it has withdrawn."""


class ChangedMap(Answer):
    """An image whose map is not the same in both map sets."""

    image_id: int
    label: Label
    source: str
    correlation: float | None
    """Pearson's, of both maps; null where one of them is missing."""
    annotators: tuple[int, int]
    """Before and after."""


class MapSetDifference(Answer):
    """What changed from one map set to another; the most changed images first."""

    old: int
    new: int
    parameters: dict[str, tuple[Any, Any]]
    """Those that differ, before and after."""
    same: int
    """Images with the same map in both."""
    changed: list[ChangedMap]
    added: list[ChangedMap]
    removed: list[ChangedMap]


class AnalysisLine(WorkView):
    """An analysis of a study's decisions."""


class AnalysisDetail(AnalysisLine):
    """An analysis with its estimates."""

    result: dict[str, Any] | None


class AnalysisRequest(Body):
    """Whose decisions count."""

    who: Who = "people"
    without: tuple[str, ...] = ()
    """Kinds of quality flags whose participants are left out."""


class MapSetRequest(Body):
    """What decides a map; those that are left out have the defaults of the CYBORG paper."""

    parameters: dict[str, Any] = Field(default_factory=dict)


@router.get("/studies/{slug}/maps", tags=["maps"])
def list_map_sets(db: Db, _staff: CurrentStaff, slug: str) -> list[MapSetView]:
    """The map sets of a study, the newest first."""
    return [MapSetView(**facts_of(one, MapSetView)) for one in map_sets(db, find_study(db, slug))]


@router.post("/studies/{slug}/maps", status_code=202, tags=["maps"])
def build_maps(db: Db, _editor: Editor, slug: str, body: MapSetRequest) -> MapSetView:
    """Ask a worker for a map set; if it is there already, that one is the answer."""
    made = request_map_set(db, find_study(db, slug), MapParameters.from_dict(body.parameters))
    return _map_set(db, made)


@router.get("/studies/{slug}/maps/diff", tags=["maps"])
def compare_map_sets(
    db: Db,
    _staff: CurrentStaff,
    slug: str,
    old: Annotated[int, Query(ge=1, lt=2**31)],
    new: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
) -> MapSetDifference:
    """What changed from one map set to another, the newest if left out."""
    return difference_view(db, find_study(db, slug), old, new)


def difference_view(db: Session, study: Study, old: int, new: int | None) -> MapSetDifference:
    before, after = (built_map_set(db, study, version) for version in (old, new))
    found = compare_sets(db, before, after)
    changes = {
        kind: [ChangedMap(**facts_of(one, ChangedMap)) for one in found.of_kind(kind)]
        for kind in CHANGE_KINDS
    }
    return MapSetDifference(
        old=before.version, new=after.version, parameters=dict(found.parameters), same=found.same, **changes
    )


@router.get("/studies/{slug}/maps/{version}", tags=["maps"])
def read_map_set(db: Db, _staff: CurrentStaff, slug: str, version: int) -> MapSetView:
    """One map set."""
    return _map_set(db, find_map_set(db, find_study(db, slug), version))


@router.post("/studies/{slug}/maps/{version}/abort", tags=["maps"])
def abort_maps(db: Db, _editor: Editor, slug: str, version: int) -> MapSetView:
    """Stop a build."""
    found = find_map_set(db, find_study(db, slug), version)
    abort_map_set(db, found)
    return _map_set(db, found)


@router.get("/studies/{slug}/analyses", tags=["analyses"])
def list_analyses(db: Db, _staff: CurrentStaff, slug: str) -> list[AnalysisLine]:
    """The analyses of a study, the newest first."""
    return [AnalysisLine(**facts_of(one, AnalysisLine)) for one in analyses_of(db, find_study(db, slug))]


@router.post("/studies/{slug}/analyses", status_code=202, tags=["analyses"])
def analyse(db: Db, editor: Editor, slug: str, body: AnalysisRequest) -> AnalysisDetail:
    """Ask a worker for an analysis; if it is there already, that one is the answer."""
    study = find_study(db, slug)
    choice = checked(db, study.id, Choice(body.who, tuple(sorted(set(body.without)))))
    return _analysis(db, request_analysis(db, study, choice, staff_id=editor.id))


@router.get("/studies/{slug}/analyses/{version}", tags=["analyses"])
def read_analysis(db: Db, _staff: CurrentStaff, slug: str, version: int) -> AnalysisDetail:
    """One analysis, with every estimate."""
    return _analysis(db, find_analysis(db, find_study(db, slug), version))


@router.post("/studies/{slug}/analyses/{version}/abort", tags=["analyses"])
def stop_analysis(db: Db, _editor: Editor, slug: str, version: int) -> AnalysisDetail:
    """Stop an analysis."""
    found = find_analysis(db, find_study(db, slug), version)
    abort_analysis(db, found)
    return _analysis(db, found)


def _map_set(db: Session, found: MapSet) -> MapSetView:
    db.flush()
    return MapSetView(**facts_of(found, MapSetView))


def _analysis(db: Session, found: StudyAnalysis) -> AnalysisDetail:
    db.flush()
    return AnalysisDetail(**facts_of(found, AnalysisDetail))
