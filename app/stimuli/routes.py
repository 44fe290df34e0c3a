"""Pictures for staff pages."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from app.deps import Blobs, CurrentStaff, Db
from app.forms import Fields
from app.models import Image
from app.stimuli.encode import thumbnail
from app.stimuli.face_boxes import crop_preview
from app.stimuli.known import get_image, image_called
from app.stimuli.manifest import FaceBox

router: Final = APIRouter(prefix="/staff/images", tags=["images"])

api: Final = APIRouter(prefix="/api/images", tags=["images"])

ImageId = Annotated[int, Path(ge=1, le=2**63 - 1)]


Pixels = Annotated[float, Field(ge=-16_384, le=16_384, allow_inf_nan=False)]
Length = Annotated[float, Field(gt=0, le=16_384, allow_inf_nan=False)]


class BoxFields(Fields):
    """A face box as a form or an address gives it, in pixels of the picture."""

    x: Pixels
    y: Pixels
    width: Length
    height: Length

    @property
    def box(self) -> FaceBox:
        return FaceBox(self.x, self.y, self.width, self.height)


class CropFields(Fields):
    """The face box whose crop is wanted: all four numbers, or none for the box that the image has."""

    x: Pixels | None = None
    y: Pixels | None = None
    width: Length | None = None
    height: Length | None = None

    def box(self, image: Image) -> FaceBox | None:
        given = (self.x, self.y, self.width, self.height)
        stored = (image.face_x, image.face_y, image.face_width, image.face_height)
        return _box(given) or _box(stored)


def _box(numbers: tuple[float | None, ...]) -> FaceBox | None:
    x, y, width, height = numbers
    if x is None or y is None or width is None or height is None:
        return None
    return FaceBox(x, y, width, height)


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
    image = get_image(db, image_id)
    etag = f'"{image.display_hash}-{size.width or "full"}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=86400"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    data = blobs.get(image.display_hash)
    jpeg = data if size.width is None else thumbnail(data, width=size.width)
    return Response(jpeg, media_type="image/jpeg", headers=headers)


@router.get("/{image_id}/crop", response_class=Response)
def crop(
    image_id: ImageId, db: Db, blobs: Blobs, _staff: CurrentStaff, face: Annotated[CropFields, Query()]
) -> Response:
    """What a dataset would keep of an image if its face were there: a JPEG of 224 × 224 pixels.

    Without a box, what it keeps now.
    """
    image = get_image(db, image_id)
    preview = crop_preview(blobs.get(image.display_hash), face.box(image))
    return Response(preview, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})


@api.get("/picture")
def picture_called(db: Db, _staff: CurrentStaff, name: str = "") -> RedirectResponse:
    """The picture of an image by its content hash, its name, or the last part of a name that no other has."""
    return RedirectResponse(f"/staff/images/{image_called(db, name)}/picture", HTTPStatus.SEE_OTHER)
