"""Pictures for staff pages."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from app.deps import Blobs, CurrentStaff, Db
from app.errors import NotFound
from app.forms import Fields
from app.models import Image
from app.stimuli.encode import thumbnail

router: Final = APIRouter(prefix="/staff/images", tags=["images"])

ImageId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Size(Fields):
    """How large the picture is wanted."""

    width: Annotated[int, Field(ge=16, le=2048)] | None = Field(
        None, description="Pixels; narrower pictures stay as they are."
    )


@router.get("/{image_id}/picture", response_class=Response)
def picture(
    request: Request,
    image_id: ImageId,
    db: Db,
    blobs: Blobs,
    _staff: CurrentStaff,
    size: Annotated[Size, Query()],
) -> Response:
    """The display JPEG of an image, or a thumbnail of it."""
    image = db.get(Image, image_id)
    if image is None:
        raise NotFound(f"There is no image {image_id}.")
    etag = f'"{image.display_hash}-{size.width or "full"}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=86400"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    data = blobs.get(image.display_hash)
    jpeg = data if size.width is None else thumbnail(data, width=size.width)
    return Response(jpeg, media_type="image/jpeg", headers=headers)
