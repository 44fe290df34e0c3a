"""The list of images and the page of one."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.dashboard.images import queries
from app.dashboard.images.queries import ImageFilter
from app.dashboard.paging import cut
from app.deps import CurrentStaff, Db
from app.web import page

router: Final = APIRouter(prefix="/staff/images", include_in_schema=False)


@router.get("")
def images(
    request: Request, db: Db, _staff: CurrentStaff, wanted: Annotated[ImageFilter, Query()]
) -> HTMLResponse:
    rows = queries.list_images(db, wanted)
    return page(
        request,
        "staff/images.html",
        page=cut(request, rows, size=queries.PAGE_SIZE, key=lambda image: image.id),
        counts=queries.count_by_source(db),
        label=wanted.label,
        source=wanted.source,
    )


@router.get("/{image_id}")
def image(request: Request, db: Db, _staff: CurrentStaff, image_id: int) -> HTMLResponse:
    return page(
        request,
        "staff/image.html",
        image=queries.get_image(db, image_id),
        uses=queries.studies_showing(db, image_id),
    )
