"""Maps and annotations as the gallery draws them."""

from typing import Any, Final, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from sqlalchemy import select

from app.db import Db
from app.deps import Blobs, logged_in
from app.errors import NotFound
from app.maps.overlay import overlay_png
from app.maps.queries import annotations
from app.models import Image, SaliencyMap
from app.recruitment.service import find_study

router: Final = APIRouter(prefix="/staff", include_in_schema=False, dependencies=[Depends(logged_in)])

# A map set never changes once it is built, and only staff may see it.
FOREVER: Final = {"Cache-Control": "private, max-age=31536000, immutable"}


@router.get("/maps/{map_set_id}/{image_id}.png")
def map_image(
    db: Db,
    blobs: Blobs,
    map_set_id: int,
    image_id: int,
    format: Literal["overlay", "raw"] = "overlay",  # noqa: A002 - the name in the address
) -> Response:
    """The map of an image: coloured and see-through, or raw (16-bit greyscale, 65535 = 1.0)."""
    blob = db.scalar(
        select(SaliencyMap.blob_hash).where(
            SaliencyMap.map_set_id == map_set_id, SaliencyMap.image_id == image_id
        )
    )
    if blob is None:
        raise NotFound("This image has no map in this map set.")
    raw = blobs.get(blob)
    content = raw if format == "raw" else overlay_png(raw)
    return Response(content, media_type="image/png", headers=FOREVER)


@router.get("/studies/{slug}/images/{image_id}/annotations.json")
def image_annotations(db: Db, slug: str, image_id: int) -> dict[str, Any]:
    """Every annotation painted on an image in a study, in image pixels."""
    study = find_study(db, slug)
    image = db.get(Image, image_id)
    if image is None:
        raise NotFound("There is no such image.")
    shown = ("annotation_id", "participant", "simulated", "arm", "question", "correct", "strokes")
    painted = annotations(db, study.id, include="all", image_id=image_id)
    return {
        "image_id": image.id,
        "width": image.width,
        "height": image.height,
        "annotations": [{name: row[name] for name in shown} for row in painted],
    }
