"""Pages about whole map sets: averages and agreement, the list of sets, and what changed between two."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from app.dashboard.maps import queries
from app.dashboard.maps.charts import reliability_curve
from app.dashboard.maps.queries import MapView, PositiveInteger, chosen
from app.dashboard.paging import cut
from app.deps import CurrentStaff, Db
from app.errors import NotFound
from app.forms import Fields
from app.maps.averages import groups_of
from app.maps.diff import CHANGE_KINDS, ChangeKind, compare_sets
from app.maps.pictures import Colours
from app.maps.service import built_map_set
from app.models import JobState, MapAverage
from app.studies.service import find_study
from app.web import page
from saliency.parameters import in_words

router: Final = APIRouter(prefix="/staff/studies/{slug}/maps", include_in_schema=False)

CHANGES_A_PAGE: Final = 24


class ComparedSets(Fields):
    """The query of a comparison's address."""

    old: PositiveInteger
    new: PositiveInteger | None = None
    """None: the newest map set that is built."""
    kind: ChangeKind = "changed"
    colours: Colours = "viridis"
    after: Annotated[int, Field(ge=0)] = 0
    """The number of the last change seen."""


@dataclass(frozen=True, slots=True)
class AveragePicture:
    """An average map: of what, from how many images, and the query of its address."""

    title: str
    images: int
    query: dict[str, str]


def averages(groups: Sequence[MapAverage]) -> list[AveragePicture]:
    """Of the study, of each label, and of each source where a label has several."""
    pictures = [AveragePicture("All images", sum(average.images for average in groups), {})] if groups else []
    for label, rows in groupby(groups, key=lambda average: average.label):
        sources = list(rows)
        pictures.append(AveragePicture(label, sum(average.images for average in sources), {"label": label}))
        if len(sources) > 1:
            pictures += [
                AveragePicture(average.source, average.images, {"label": label, "source": average.source})
                for average in sources
            ]
    return pictures


@router.get("/agreement")
def agreement(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, view: Annotated[MapView, Query()]
) -> HTMLResponse:
    """Average maps, and how far the annotators agree."""
    study = find_study(db, slug)
    sets = queries.built_map_sets(db, study)
    map_set = chosen(sets, view.version)
    return page(
        request,
        "staff/maps_agreement.html",
        study=study,
        sets=sets,
        map_set=map_set,
        averages=averages(groups_of(db, map_set)) if map_set else [],
        measured=map_set.reliability if map_set else None,
        curve=reliability_curve(map_set.reliability) if map_set else None,
        colours=view.colours,
        in_words=in_words,
    )


@router.get("/sets")
def sets_page(request: Request, db: Db, _staff: CurrentStaff, slug: str) -> HTMLResponse:
    """Every map set, and two of them to be compared."""
    study = find_study(db, slug)
    sets = queries.map_sets(db, study)
    built = [map_set for map_set in sets if map_set.state is JobState.SUCCEEDED]
    return page(request, "staff/maps_sets.html", study=study, sets=sets, built=built, in_words=in_words)


@router.get("/diff")
def diff(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, asked: Annotated[ComparedSets, Query()]
) -> HTMLResponse:
    """What changed from one map set to another, side by side, the most changed first."""
    study = find_study(db, slug)
    old, new = (built_map_set(db, study, version) for version in (asked.old, asked.new))
    difference = compare_sets(db, old, new)
    changes = list(enumerate(difference.of_kind(asked.kind), start=1))
    if asked.after > len(changes):
        raise NotFound("This page of the list does not exist; start again from its first page.")
    return page(
        request,
        "staff/maps_diff.html",
        study=study,
        sets=queries.built_map_sets(db, study),
        old=old,
        new=new,
        difference=difference,
        counts={average: len(difference.of_kind(average)) for average in CHANGE_KINDS},
        kind=asked.kind,
        page=cut(request, changes[asked.after :][: CHANGES_A_PAGE + 1], size=CHANGES_A_PAGE, key=_number),
        colours=asked.colours,
        in_words=in_words,
    )


def _number(numbered: tuple[int, Any]) -> int:
    return numbered[0]
