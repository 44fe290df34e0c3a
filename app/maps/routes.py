"""Pictures of maps, and annotations as JSON, for the gallery."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from sqlalchemy import select

from app.deps import Blobs, Db, logged_in
from app.errors import NotFound
from app.forms import Fields
from app.maps.averages import average
from app.maps.pictures import Colours, overlay_png, picture_png
from app.maps.queries import annotations_on
from app.models import Image, JobState, Label, MapSet, SaliencyMap
from app.storage import BlobStore
from app.studies.service import find_study
from saliency.maps.png import encode_map_png

router: Final = APIRouter(prefix="/staff", include_in_schema=False, dependencies=[Depends(logged_in)])

# A map set never changes once it is built, and only staff may see it.
FOREVER: Final = {"Cache-Control": "private, max-age=31536000, immutable"}


class MapPictureView(Fields):
    """The query of the address of a map."""

    format: Literal["overlay", "raw", "thumb"] = "overlay"
    colours: Colours = "viridis"


class AveragePictureView(Fields):
    """The query of the address of an average map."""

    label: Label | None = None
    source: str = ""
    format: Literal["picture", "raw"] = "picture"
    colours: Colours = "viridis"


@router.get("/maps/{map_set_id}/{image_id:int}.png")
def map_image(
    db: Db, blobs: Blobs, map_set_id: int, image_id: int, view: Annotated[MapPictureView, Query()]
) -> Response:
    """The map of an image: a coloured overlay, the same small, or raw (16-bit, 65535 = 1.0)."""
    hashes = db.execute(
        select(SaliencyMap.blob_hash, SaliencyMap.thumb_hash)
        .join(MapSet, MapSet.id == SaliencyMap.map_set_id)
        .where(MapSet.id == map_set_id, MapSet.state == JobState.SUCCEEDED, SaliencyMap.image_id == image_id)
    ).first()
    if hashes is None:
        raise NotFound("This image has no map in this map set.")
    map_hash, thumb_hash = hashes
    content = _small(blobs, thumb_hash, map_hash) if view.format == "thumb" else blobs.get(map_hash)
    content = content if view.format == "raw" else overlay_png(content, view.colours)
    return Response(content, media_type="image/png", headers=FOREVER)


def _small(blobs: BlobStore, thumb_hash: str | None, map_hash: str) -> bytes:
    try:
        return blobs.get(thumb_hash or map_hash)
    except FileNotFoundError:
        return blobs.get(map_hash)


@router.get("/maps/{map_set_id}/average.png")
def average_image(
    db: Db, blobs: Blobs, map_set_id: int, view: Annotated[AveragePictureView, Query()]
) -> Response:
    """The mean of the maps of a study, a label or a source: in colours, or raw (16-bit, 65535 = 1.0)."""
    map_set = db.get(MapSet, map_set_id)
    if map_set is None:
        raise NotFound("There is no such map set.")
    values = average(db, blobs, map_set, label=view.label, source=view.source)
    content = encode_map_png(values) if view.format == "raw" else picture_png(values, view.colours)
    return Response(content, media_type="image/png", headers=FOREVER)


@router.get("/studies/{slug}/images/{image_id}/annotations.json")
def image_annotations(db: Db, slug: str, image_id: int) -> dict[str, Any]:
    """Every annotation painted on an image in a study, in image pixels."""
    study = find_study(db, slug)
    image = db.get(Image, image_id)
    if image is None:
        raise NotFound("There is no such image.")
    fields = ("annotation_id", "participant", "simulated", "arm", "question", "correct", "strokes")
    rows = annotations_on(db, study.id, image_id)
    return {
        "image_id": image.id,
        "width": image.width,
        "height": image.height,
        "annotations": [{name: row[name] for name in fields} for row in rows],
    }
