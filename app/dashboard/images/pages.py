"""The list of images and the page of one."""

from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field, field_validator

from app.dashboard.images import queries
from app.dashboard.images.bulk import tag_all
from app.dashboard.images.queries import ImageFilter
from app.dashboard.paging import cut
from app.deps import Blobs, Config, CurrentStaff, Db, Editor
from app.errors import AppError
from app.experiments.background_tasks import request_audit
from app.flash import Flash, leave_for
from app.forms import Fields
from app.models import FaceOrigin, Label, Split
from app.notes import NoteText, add_note, notes_on
from app.stimuli.face_boxes import find_again, set_box
from app.stimuli.face_search import FaceSearch
from app.stimuli.known import get_image
from app.stimuli.routes import BoxFields, ImageId
from app.stimuli.service import ImportReport
from app.stimuli.setting_aside import remove_image, set_split
from app.stimuli.tags import set_tags
from app.stimuli.upload_plan import plan_upload
from app.stimuli.uploads import import_upload
from app.web import page

router: Final = APIRouter(prefix="/staff/images", include_in_schema=False)

ROOM_FOR_FIELDS: Final = 10_000
"""Bytes of a request beside its file."""

SEARCHED: Final = ImageFilter.model_fields.keys() - {"after"}
"""Of the list's filter; where a page begins is none of it."""

LINES_TOLD: Final = 10
"""Of refused files; a notice is kept in a cookie."""

NOTHING: Final = "Nothing was imported"


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
        wanted=wanted,
        tags=queries.known_tags(db),
        found=queries.count_images(db, wanted),
    )


class TagForm(ImageFilter):
    """The filter of the list, and tags with commas between them."""

    add: str = Field("", max_length=2000)
    remove: str = Field("", max_length=2000)


@router.post("/tags")
def tag_found(request: Request, db: Db, _editor: Editor, form: Annotated[TagForm, Form()]) -> Response:
    """Tag all images that the filter finds, on whatever page."""
    chosen = form.model_dump(include=set(SEARCHED), exclude_defaults=True, mode="json")
    address = "/staff/images" + (f"?{urlencode(chosen)}" if chosen else "")
    try:
        count = tag_all(db, form, add=form.add.split(","), remove=form.remove.split(","))
    except AppError as error:
        return leave_for(address, request, Flash("danger", "No tag was changed", (str(error),)))
    return leave_for(address, request, Flash("ok", f"The tags of {count} image{'s'[: count != 1]} are saved"))


@router.get("/new")
def new_images(request: Request, config: Config, _editor: Editor) -> HTMLResponse:
    return page(request, "staff/images_new.html", largest=config.max_body_bytes - ROOM_FOR_FIELDS)


class UploadForm(BaseModel):
    """What a browser without scripts sends: all files at once."""

    files: Annotated[list[UploadFile], Field(max_length=1000)] = []
    label: Literal["real", "fake", ""] = ""
    source: Annotated[str, Field(max_length=200)] = ""
    size: Annotated[int, Field(ge=32, le=4096)] | Literal[""] = ""
    faces: FaceSearch | Literal[""] = ""

    @field_validator("files", mode="before")
    @classmethod
    def _without_blanks(cls, sent: list[Any]) -> list[Any]:
        """A browser sends a nameless part where no file was chosen."""
        return [file for file in sent if getattr(file, "filename", "")]


@router.post("/new")
def import_files(
    request: Request, db: Db, blobs: Blobs, editor: Editor, form: Annotated[UploadForm, Form()]
) -> Response:
    """Import what a browser without scripts sends; with scripts it sends each file to the API."""
    if not form.files:
        return leave_for("/staff/images/new", request, Flash("danger", NOTHING, ("Choose files.",)))
    names = [file.filename or "unnamed" for file in form.files]
    label = Label(form.label) if form.label else None
    planned = plan_upload(
        names, lambda number: form.files[number].file.read(), label=label, source=form.source.strip()
    )
    if planned.faults:
        return leave_for("/staff/images/new", request, Flash("danger", NOTHING, planned.faults[:LINES_TOLD]))
    report = ImportReport(0, 0, planned.left_out)
    for file in planned.files:
        sent = form.files[file.number].file
        report += import_upload(db, blobs, sent, file.item, size=form.size or None, faces=form.faces or None)
    if report.imported:
        request_audit(db, None, staff_id=editor.id)
    said = [*planned.missing, *map(str, (*report.refused, *report.ignored, *report.remarks))]
    kind: Literal["ok", "danger"] = "ok" if report.usable else "danger"
    counts = (
        f"{report.imported} imported, {report.already_there} already there, {len(report.refused)} refused"
    )
    return leave_for("/staff/images/new", request, Flash(kind, counts, tuple(said[:LINES_TOLD])))


@router.get("/{image_id:int}")
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


class SplitField(Fields):
    split: Split | None = None


@router.post("/{image_id}/split")
def change_split(
    request: Request, db: Db, _editor: Editor, image_id: ImageId, wanted: Annotated[SplitField, Form()]
) -> Response:
    """Take another split, while nothing has settled it."""
    try:
        set_split(db, get_image(db, image_id), wanted.split)
    except AppError as error:
        return leave_for(f"/staff/images/{image_id}", request, Flash("danger", "Not changed", (str(error),)))
    said = f"The split is {wanted.split} now" if wanted.split else "It has no split now"
    return leave_for(f"/staff/images/{image_id}", request, Flash("ok", said))


@router.post("/{image_id}/tags")
def change_tags(
    request: Request,
    db: Db,
    _editor: Editor,
    image_id: ImageId,
    tags: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Take these tags, with commas between them."""
    set_tags(get_image(db, image_id), tags.split(","))
    return leave_for(f"/staff/images/{image_id}", request, Flash("ok", "The tags are saved"))


@router.post("/{image_id}/remove")
def remove(request: Request, db: Db, _editor: Editor, image_id: ImageId) -> Response:
    """Remove an image that nothing uses."""
    image = get_image(db, image_id)
    name = image.original_name
    try:
        remove_image(db, image)
    except AppError as error:
        return leave_for(f"/staff/images/{image_id}", request, Flash("danger", "Not removed", (str(error),)))
    return leave_for("/staff/images", request, Flash("ok", f"{name} is removed"))


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
    box, remark = find_again(blobs, get_image(db, image_id))
    if box is None:
        return leave_for(
            f"/staff/images/{image_id}", request, Flash("danger", "No face was found", (remark,))
        )
    lines = (remark,) if remark else ()
    return leave_for(f"/staff/images/{image_id}", request, Flash("ok", "The face was found.", lines))
