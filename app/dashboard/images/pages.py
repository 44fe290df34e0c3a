"""The list of images and the page of one."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.dashboard.images import queries
from app.dashboard.images.queries import ImageFilter
from app.dashboard.paging import cut
from app.deps import Blobs, CurrentStaff, Db, Editor
from app.flash import Flash, leave_for
from app.models import FaceOrigin
from app.notes import NoteText, add_note, notes_on
from app.stimuli.face_boxes import find_box, set_box
from app.stimuli.faces import require_model
from app.stimuli.known import get_image
from app.stimuli.routes import BoxFields, ImageId
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
def image_page(request: Request, db: Db, _staff: CurrentStaff, image_id: ImageId) -> HTMLResponse:
    image = get_image(db, image_id)
    return page(
        request,
        "staff/image.html",
        image=image,
        notes=notes_on(db, image),
        uses=queries.studies_showing(db, image_id),
    )


@router.post("/{image_id}/notes")
def write_note(db: Db, editor: Editor, image_id: ImageId, text: NoteText = "") -> RedirectResponse:
    add_note(db, get_image(db, image_id), text, staff=editor)
    return RedirectResponse(f"/staff/images/{image_id}#notes", HTTPStatus.SEE_OTHER)


@router.post("/{image_id}/face")
def correct_face(
    request: Request, db: Db, _editor: Editor, image_id: ImageId, given: Annotated[BoxFields, Form()]
) -> Response:
    """Take the box that somebody drew or typed."""
    set_box(get_image(db, image_id), given.box, origin=FaceOrigin.CORRECTED)
    return leave_for(f"/staff/images/{image_id}", request, Flash("ok", "The face box is saved."))


@router.post("/{image_id}/face/remove")
def remove_face(db: Db, _editor: Editor, image_id: ImageId) -> RedirectResponse:
    set_box(get_image(db, image_id), None, origin=None)
    return RedirectResponse(f"/staff/images/{image_id}", HTTPStatus.SEE_OTHER)


@router.post("/{image_id}/face/search")
def search_face(request: Request, db: Db, blobs: Blobs, _editor: Editor, image_id: ImageId) -> Response:
    """Find the face on this picture, in place of the box that it has."""
    require_model()
    image = get_image(db, image_id)
    box, remark = find_box(blobs, image.display_hash)
    if box is None:
        return leave_for(
            f"/staff/images/{image_id}", request, Flash("danger", "No face was found", (remark,))
        )
    set_box(image, box, origin=FaceOrigin.FOUND)
    lines = (remark,) if remark else ()
    return leave_for(f"/staff/images/{image_id}", request, Flash("ok", "The face was found.", lines))
