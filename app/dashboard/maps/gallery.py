"""The gallery of saliency maps."""

from http import HTTPStatus
from math import log
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.dashboard.background import WorkProgress, progress_by_number
from app.dashboard.maps import queries
from app.dashboard.maps.build import BuildForm, headings
from app.dashboard.maps.queries import MapFilter, MapView, chosen
from app.dashboard.paging import cut
from app.deps import CurrentStaff, Db, Editor
from app.errors import AppError, NotFound
from app.maps.service import abort_map_set, find_map_set, request_map_set
from app.models import UNFINISHED, Image, JobState, Study
from app.studies.service import find_study
from app.web import page
from saliency.parameters import in_words

router: Final = APIRouter(prefix="/staff/studies/{slug}/maps", include_in_schema=False)


@router.get("")
def gallery(
    request: Request, db: Db, _staff: CurrentStaff, slug: str, wanted: Annotated[MapFilter, Query()]
) -> HTMLResponse:
    return gallery_page(request, db, find_study(db, slug), wanted)


def gallery_page(
    request: Request,
    db: Session,
    study: Study,
    wanted: MapFilter,
    *,
    asked: BuildForm | None = None,
    error: str | None = None,
) -> HTMLResponse:
    sets = queries.map_sets(db, study)
    map_set = chosen(sets, wanted.version)
    built = map_set if map_set and map_set.state is JobState.SUCCEEDED else None
    rows = queries.maps_of(db, built, wanted) if built else []
    return page(
        request,
        "staff/maps.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        study=study,
        sets=sets,
        map_set=map_set,
        page=cut(request, rows, size=queries.PAGE_SIZE, key=queries.position),
        sources=queries.sources_of(db, built) if built else [],
        count=queries.count_of(db, built, wanted) if built and wanted.narrows else None,
        query=asked_query(request),
        under_way=[map_set for map_set in sets if map_set.state in UNFINISHED],
        works=progress_by_number((map_set.version, map_set) for map_set in sets),
        wanted=wanted,
        is_painted=queries.is_painted(db, study),
        headings=headings(queries.names_to_choose(db, study)),
        form=asked or BuildForm(),
        opened=asked is not None,
        error=error,
        in_words=in_words,
    )


def asked_query(request: Request) -> str:
    """The filter of the address without its place in the list, for links that keep it."""
    query = request.url.remove_query_params("after").query
    return f"?{query}" if query else ""


@router.post("")
def build(
    request: Request, db: Db, _editor: Editor, slug: str, asked: Annotated[BuildForm, Form()]
) -> Response:
    study = find_study(db, slug)
    try:
        map_set = request_map_set(db, study, asked.parameters())
    except AppError as error:
        return gallery_page(request, db, study, MapFilter(), asked=asked, error=str(error))
    return RedirectResponse(f"/staff/studies/{slug}/maps?set={map_set.version}", HTTPStatus.SEE_OTHER)


@router.get("/state.json")
def state(db: Db, _staff: CurrentStaff, slug: str) -> dict[int, WorkProgress]:
    """How far each map set is, by version, for a page that waits."""
    return progress_by_number(
        (map_set.version, map_set) for map_set in queries.map_sets(db, find_study(db, slug))
    )


@router.post("/sets/{version:int}/abort")
def abort(db: Db, _editor: Editor, slug: str, version: int) -> Response:
    abort_map_set(db, find_map_set(db, find_study(db, slug), version))
    return RedirectResponse(f"/staff/studies/{slug}/maps/sets", HTTPStatus.SEE_OTHER)


@router.get("/{image_id:int}")
def map_page(
    request: Request,
    db: Db,
    _staff: CurrentStaff,
    slug: str,
    image_id: int,
    view: Annotated[MapView, Query()],
) -> HTMLResponse:
    study = find_study(db, slug)
    map_set = chosen(queries.map_sets(db, study), view.version)
    image = db.get(Image, image_id)
    if map_set is None or map_set.state is not JobState.SUCCEEDED or image is None:
        raise NotFound("There is no such map.")
    return page(
        request,
        "staff/map.html",
        study=study,
        map_set=map_set,
        image=image,
        map=queries.map_of(db, map_set, image),
        highest_entropy=log(image.width * image.height),
        neighbours=queries.neighbours(db, map_set, image_id),
        colours=view.colours,
        in_words=in_words,
    )
