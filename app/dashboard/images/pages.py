"""The images page."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from app.dashboard.paging import cut
from app.deps import CurrentStaff, Db
from app.errors import NotFound
from app.forms import Fields
from app.models import Image, Label, Pair, Study
from app.web import page

router: Final = APIRouter(prefix="/staff/images", include_in_schema=False)

PAGE_SIZE: Final = 60


class ImagesAddress(Fields):
    """What the address of the list says."""

    label: Label | Literal[""] = ""
    source: str = ""
    after: int = 0


@router.get("")
def images(
    request: Request, db: Db, _staff: CurrentStaff, wanted: Annotated[ImagesAddress, Query()]
) -> HTMLResponse:
    shown = cut(request, db.scalars(matching(wanted)).all(), size=PAGE_SIZE, key=lambda image: image.id)
    return page(
        request,
        "staff/images.html",
        page=shown,
        counts=sources(db),
        label=wanted.label,
        source=wanted.source,
    )


def matching(wanted: ImagesAddress) -> Select[Image]:
    query = select(Image).where(Image.id > wanted.after).order_by(Image.id).limit(PAGE_SIZE + 1)
    if wanted.label:
        query = query.where(Image.label == wanted.label)
    if wanted.source:
        query = query.where(Image.source == wanted.source)
    return query


@router.get("/{image_id}")
def image(request: Request, db: Db, _staff: CurrentStaff, image_id: int) -> HTMLResponse:
    found = db.get(Image, image_id)
    if found is None:
        raise NotFound(f"There is no image {image_id}.")
    return page(request, "staff/image.html", image=found, uses=uses_of(db, image_id))


def uses_of(session: Session, image_id: int) -> Sequence[Any]:
    """Slug, title and number of pairs of each study that shows the image."""
    return session.execute(
        select(Study.slug, Study.title, func.count())
        .join(Pair, Pair.study_id == Study.id)
        .where(or_(Pair.real_image_id == image_id, Pair.fake_image_id == image_id))
        .group_by(Study.id)
        .order_by(Study.id)
    ).all()


def sources(session: Session) -> list[tuple[Label, str, int]]:
    """Label, source and number of images, real ones first."""
    rows = session.execute(
        select(Image.label, Image.source, func.count())
        .group_by(Image.label, Image.source)
        .order_by(Image.label.desc(), Image.source)
    )
    return [(label, source, count) for label, source, count in rows]
