"""Images: listed, and imported one by one."""

import gzip
import zlib
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Final

from fastapi import APIRouter, File, Form, Query, UploadFile
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy.orm import Session

from accuracy.shortcuts.audit import ShortcutAudit
from accuracy.statistics.cross_validation import SeparationEstimate
from app.dashboard.images import queries
from app.dashboard.images.bulk import tag_all
from app.dashboard.images.queries import ImageFilter
from app.deps import Blobs, CurrentStaff, Db, Editor
from app.errors import BadInput, TooLarge
from app.experiments.audits import audit_under_way, kept_audit
from app.experiments.background_tasks import request_audit
from app.messages import Answer, Body
from app.models import FaceOrigin, Image, Label, Split, Study
from app.stimuli import tags
from app.stimuli.face_boxes import find_again, find_next_faces, set_box
from app.stimuli.face_search import FaceSearch
from app.stimuli.known import get_image, images_called
from app.stimuli.manifest import FaceBox, Item, source_of
from app.stimuli.routes import ImageId, Length, Pixels
from app.stimuli.setting_aside import deal_splits, remove_image, set_split, set_splits
from app.stimuli.upload_plan import PlannedFile, UploadPlan, plan_upload
from app.stimuli.uploads import import_upload
from app.studies.service import find_study
from training.config import explain

router: Final = APIRouter(prefix="/api/images", tags=["images"])

MOST_NAMES: Final = 200_000
MOST_BYTES_OF_NAMES: Final = 64_000_000
"""Of the names of an upload and its manifest, unpacked."""


class ImageLine(Answer):
    """An image."""

    id: int
    name: str
    """What it was imported as."""
    label: Label
    source: str
    split: Split | None
    width: int
    height: int
    content_hash: str
    """SHA-256 of the file."""
    tags: list[str]
    """Words of staff, to find it again."""


class TagsBody(Body):
    """All tags of an image: small letters, at most 20 of at most 50 characters, without commas."""

    tags: list[str]


Names = Annotated[list[str], Field(min_length=1, max_length=1000)]
"""Names at import, or content hashes."""


class NamesBody(Body):
    """Images by their names at import or their content hashes."""

    names: Names


class TagAllBody(Body):
    """Tags to add and to remove; with names, of the images called so instead of those that a filter finds."""

    names: Names | None = None
    add: list[str] = Field(default_factory=list, max_length=20)
    remove: list[str] = Field(default_factory=list, max_length=100)


class Tagged(Answer):
    """How many images were found."""

    images: int


class SplitBody(Body):
    """A split, or null for none."""

    split: Split | None


class SplitsForm(BaseModel):
    """A CSV file with the columns `path` and `split`, or fractions of the images that are free."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile | None = None
    val: Annotated[float, Field(ge=0, le=1)] = 0
    test: Annotated[float, Field(ge=0, le=1)] = 0
    seed: int = 0
    """Decides which images are set aside."""

    @model_validator(mode="after")
    def is_one_of_both(self) -> "SplitsForm":
        if (self.file is None) == (self.val + self.test == 0):
            raise ValueError("give either a file with the columns path,split or fractions val and test")
        if self.val + self.test >= 1:
            raise ValueError("val and test together must leave something to train on")
        return self


class SplitsChanged(Answer):
    """Numbers of images by their new split, "" for none, and of images that had theirs already."""

    changed: dict[str, int]
    unchanged: int


class FacesSearch(Body):
    """Which images are searched next."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The answer's `after` of the images before."""
    again: bool = False
    """Also where a face was found before; what came with an import or was corrected stays."""


class ImageRemark(Answer):
    """What somebody should look at."""

    file: str
    remark: str


class FacesFound(Answer):
    """What a search of some images came to."""

    found: int
    remarks: list[ImageRemark]
    after: int | None
    """For the next images; null when all were searched."""


class BoxBody(Body):
    """A face box in pixels of the picture; it is cut at the picture's edges."""

    x: Pixels
    y: Pixels
    width: Length
    height: Length


class FaceView(Answer):
    """The face box of an image in pixels; null without one."""

    x: float | None
    y: float | None
    width: float | None
    height: float | None
    origin: FaceOrigin | None
    """Who says so."""
    remark: str
    """What somebody should look at."""


class ImagePage(Answer):
    """Some images, by number."""

    images: list[ImageLine]
    after: int | None
    """The parameter `after` of the next page; null on the last one."""


class Ignored(Answer):
    """Something that an import gave of an image that is there already with something else, which stays."""

    field: str
    stored: str
    given: str


class Imported(Answer):
    """What became of a file."""

    imported: bool
    """False: the image was there already."""
    ignored: list[Ignored]
    remarks: list[str]
    """What somebody should look at."""


class AuditedGroup(Answer):
    """How well labels can be told from one group of numbers: AUC with its 95 % interval."""

    group: str
    estimate: SeparationEstimate
    sources: dict[str, SeparationEstimate]
    """A camera set against all fake images, a generator against all real ones."""


class ShortcutAuditView(Answer):
    """Whether real and fake images can be told apart by what is not the face."""

    real: int
    fake: int
    """Images that were looked at."""
    images: int
    """Images that there are."""
    findings: list[AuditedGroup]
    unknown: list[str]
    """Groups that are not known of every image."""
    limit: float
    """A group warns when the lower end of its interval is at least this."""
    warnings: list[str]

    @classmethod
    def of(cls, found: ShortcutAudit) -> "ShortcutAuditView":
        return cls.model_validate(found.as_record())


class KeptAuditView(Answer):
    """The last shortcut audit of some images that a worker has computed."""

    audit: ShortcutAuditView | None
    """Null before the first one, and for fewer than 20 images of either label."""
    computed_at: datetime | None
    images: int | None
    """That there were then."""
    changed: bool
    """Whether images have come or gone since, or a face box is another."""
    task: int | None
    """Of the audit that is under way or has failed: `GET /api/tasks/{task_id}` tells."""


AuditedStudy = Annotated[str, Query(max_length=100)]
"""The short name of a study, for the images that it shows; empty for all that were imported."""


class ImageForm(BaseModel):
    """The fields that a manifest has, beside the file."""

    model_config = ConfigDict(extra="forbid")

    file: UploadFile
    name: Annotated[str, Field(min_length=1, max_length=500)]
    label: Label
    source: Annotated[str, Field(max_length=200)] = ""
    """Empty for a real image of no named set: `real`."""
    split: Split | None = None
    group: Annotated[str, Field(max_length=200)] | None = None
    x: float | None = None
    y: float | None = None
    w: float | None = None
    h: float | None = None
    size: Annotated[int, Field(ge=32, le=4096)] | None = None
    """Crop to the centred square and scale to so many pixels."""
    faces: FaceSearch | None = None
    """Find the face where no box is given, or align the picture by it."""

    @model_validator(mode="after")
    def box_is_whole(self) -> "ImageForm":
        if len({one is None for one in (self.x, self.y, self.w, self.h)}) > 1:
            raise ValueError("x, y, w and h belong together")
        return self

    @model_validator(mode="after")
    def fake_has_source(self) -> "ImageForm":
        if not source_of(self.label, self.source):
            raise ValueError("a fake needs its generator as source")
        return self

    @property
    def face(self) -> FaceBox | None:
        if self.x is None or self.y is None or self.w is None or self.h is None:
            return None
        return FaceBox(self.x, self.y, self.w, self.h)


class Table(Body):
    """A CSV file at the top of what was chosen."""

    name: str
    content: Base64Bytes


class PlanBody(Body):
    """The files of an upload by name, before any is sent."""

    files: Annotated[list[str], Field(max_length=MOST_NAMES)]
    """Their names, relative to what was chosen, with forward slashes."""
    tables: Annotated[list[Table], Field(max_length=100)] = Field(default_factory=list)
    """The CSV files at the top; the only one is the manifest."""
    label: Label | None = None
    """Of files of which neither manifest nor folders say it."""
    source: Annotated[str, Field(max_length=200)] = ""
    """Of such files, and of files directly in real/ or fake/."""


class PlannedLine(Answer):
    """A file to send, with the fields to send it with."""

    file: int
    """Its place in `files`, from 0."""
    name: str
    label: Label
    source: str
    split: Split | None
    group: str | None
    x: float | None
    y: float | None
    w: float | None
    h: float | None
    where: str
    """The line of the manifest that names it; empty without a manifest."""


class LeftOut(Answer):
    """A chosen file that is not to be sent."""

    name: str
    reason: str


class UploadPlanView(Answer):
    """What an upload would import."""

    manifest: str | None
    faults: list[str]
    """Of the manifest; with one, nothing is to be sent."""
    missing: list[str]
    """Lines of the manifest whose file was not chosen."""
    left_out: list[LeftOut]
    files: list[PlannedLine]


@router.get("")
def images(db: Db, _staff: CurrentStaff, wanted: Annotated[ImageFilter, Query()]) -> ImagePage:
    """Images by number, page by page."""
    found = queries.list_images(db, wanted)
    shown = found[: queries.PAGE_SIZE]
    return ImagePage(
        images=[view(image) for image in shown], after=shown[-1].id if len(found) > len(shown) else None
    )


@router.post("/tags")
def tag_found(db: Db, _editor: Editor, wanted: Annotated[ImageFilter, Query()], body: TagAllBody) -> Tagged:
    """Add tags to all images that the filter finds, or that are named, and remove others; all, or none."""
    if body.names is None:
        return Tagged(images=tag_all(db, wanted, add=body.add, remove=body.remove))
    if wanted.model_fields_set:
        raise BadInput("Say which images: either by names or by a filter.")
    for found in images_called(db, body.names):
        tags.change_tags(found, add=body.add, remove=body.remove)
    return Tagged(images=len(body.names))


@router.post("/remove", status_code=204)
def remove_named(db: Db, _editor: Editor, body: NamesBody) -> None:
    """Remove images that nothing uses: all that are named, or none."""
    for found in images_called(db, body.names):
        remove_image(db, found)


@router.post("/splits")
def change_splits(db: Db, _editor: Editor, form: Annotated[SplitsForm, Form()]) -> SplitsChanged:
    """Give many images their splits, as a file says or by fractions; all of them, or none."""
    if form.file:
        called = (form.file.filename or "splits.csv").rpartition("/")[2]
        report = set_splits(db, form.file.file.read(), called=called)
    else:
        report = deal_splits(db, val=form.val, test=form.test, seed=form.seed)
    return SplitsChanged(changed=dict(report.changed), unchanged=report.unchanged)


@router.post("/faces")
def search_faces(db: Db, blobs: Blobs, _editor: Editor, wanted: FacesSearch) -> FacesFound:
    """Find the faces of the next few images without a face box; ask again with `after` until it is null."""
    report, after = find_next_faces(db, blobs, after=wanted.after, again=wanted.again)
    remarks = [ImageRemark(file=one.name, remark=one.text) for one in report.remarks]
    return FacesFound(found=report.found, remarks=remarks, after=after)


@router.post("/plan")
def plan(_editor: Editor, body: PlanBody) -> UploadPlanView:
    """Say what an upload would import, by the rules of `cyborg images import`; nothing is stored."""
    tables = {table.name: table.content for table in body.tables}

    def read(number: int) -> bytes:
        if (name := body.files[number]) not in tables:
            raise BadInput(f"{name} is the manifest, and its content is not in `tables`.")
        return tables[name]

    return plan_view(plan_upload(body.files, read, label=body.label, source=body.source.strip()))


@router.post("/plan/packed")
def plan_many(editor: Editor, packed: Annotated[UploadFile, File()]) -> UploadPlanView:
    """The same of many files, whose names together are longer than a request may be: the JSON as gzip."""
    try:
        body = PlanBody.model_validate_json(unpacked(packed.file))
    except ValidationError as error:
        raise BadInput(explain(error)) from None
    return plan(editor, body)


def unpacked(packed: BinaryIO) -> bytes:
    """What was packed by gzip. `BadInput`: it is not; `TooLarge`: more than anybody's names."""
    try:
        with gzip.GzipFile(fileobj=packed, mode="rb") as stream:
            content = stream.read(MOST_BYTES_OF_NAMES + 1)
    except (OSError, EOFError, zlib.error):
        raise BadInput("What was sent is not packed by gzip, or not all of it has come.") from None
    if len(content) > MOST_BYTES_OF_NAMES:
        raise TooLarge(f"The names and the manifest have more than {MOST_BYTES_OF_NAMES // 10**6} MB.")
    return content


@router.get("/audit")
def read_audit(db: Db, _staff: CurrentStaff, study: AuditedStudy = "") -> KeptAuditView:
    """Whether labels of the imported images can be told by what is not the face, as it was computed last."""
    return audit_view(db, _audited(db, study))


@router.post("/audit", status_code=202)
def ask_for_audit(db: Db, editor: Editor, study: AuditedStudy = "") -> KeptAuditView:
    """Ask a worker to audit the imported images for shortcuts, or those that a study shows."""
    request_audit(db, _audited(db, study), staff_id=editor.id)
    return audit_view(db, _audited(db, study))


@router.get("/{image_id}")
def image(db: Db, _staff: CurrentStaff, image_id: int) -> ImageLine:
    """One image."""
    return view(get_image(db, image_id))


@router.delete("/{image_id}", status_code=204)
def remove(db: Db, _editor: Editor, image_id: ImageId) -> None:
    """Remove an image that nothing uses."""
    remove_image(db, get_image(db, image_id))


@router.put("/{image_id}/split")
def change_split(db: Db, _editor: Editor, image_id: ImageId, wanted: SplitBody) -> ImageLine:
    """Change the split of an image that no dataset holds; one that is shown cannot be set aside."""
    found = get_image(db, image_id)
    set_split(db, found, wanted.split)
    return view(found)


@router.put("/{image_id}/tags")
def change_tags(db: Db, _editor: Editor, image_id: ImageId, wanted: TagsBody) -> ImageLine:
    """Replace the tags of an image."""
    found = get_image(db, image_id)
    tags.set_tags(found, wanted.tags)
    return view(found)


@router.get("/{image_id}/face")
def read_face(db: Db, _staff: CurrentStaff, image_id: ImageId) -> FaceView:
    """The face box of an image."""
    return face_view(get_image(db, image_id))


@router.put("/{image_id}/face")
def correct_face(db: Db, _editor: Editor, image_id: ImageId, box: BoxBody) -> FaceView:
    """Correct the face box of an image."""
    found = get_image(db, image_id)
    set_box(found, FaceBox(box.x, box.y, box.width, box.height), origin=FaceOrigin.CORRECTED)
    return face_view(found)


@router.delete("/{image_id}/face", status_code=204, name="images.face.remove")
def remove_face(db: Db, _editor: Editor, image_id: ImageId) -> None:
    """Remove the face box of an image."""
    set_box(get_image(db, image_id), None, origin=None)


@router.post("/{image_id}/face/search")
def search_face(db: Db, blobs: Blobs, _editor: Editor, image_id: ImageId) -> FaceView:
    """Find the face on an image, in place of the box that it has; without a face that one stays."""
    found = get_image(db, image_id)
    _, remark = find_again(blobs, found)
    return face_view(found, remark)


@router.post("", status_code=201)
def create(db: Db, blobs: Blobs, _editor: Editor, form: Annotated[ImageForm, Form()]) -> Imported:
    """Import one file. Sent again it changes nothing."""
    source = source_of(form.label, form.source)
    item = Item(Path(form.name), form.name, form.label, source, form.split, form.group or None, form.face)
    report = import_upload(db, blobs, form.file.file, item, size=form.size, faces=form.faces)
    if report.refused:
        raise BadInput(str(report.refused[0]))
    ignored = [Ignored(field=one.field, stored=one.stored, given=one.given) for one in report.ignored]
    remarks = [one.text for one in report.remarks]
    return Imported(imported=bool(report.imported), ignored=ignored, remarks=remarks)


def _audited(db: Session, slug: str) -> Study | None:
    return find_study(db, slug) if slug else None


def audit_view(db: Session, study: Study | None) -> KeptAuditView:
    slug = study.slug if study else None
    kept, task = kept_audit(db, slug), audit_under_way(db, slug)
    return KeptAuditView(
        audit=ShortcutAuditView.of(kept.found) if kept and kept.found else None,
        computed_at=kept.computed_at if kept else None,
        images=kept.images if kept else None,
        changed=kept is not None and kept.changed,
        task=task.id if task else None,
    )


def plan_view(planned: UploadPlan) -> UploadPlanView:
    return UploadPlanView(
        manifest=planned.manifest,
        faults=list(planned.faults),
        missing=list(planned.missing),
        left_out=[LeftOut(name=one.name, reason=one.reason) for one in planned.left_out],
        files=[planned_line(file) for file in planned.files],
    )


def planned_line(file: PlannedFile) -> PlannedLine:
    item, box = file.item, file.item.face
    return PlannedLine(
        file=file.number,
        name=item.name,
        label=item.label,
        source=item.source,
        split=item.split,
        group=item.group,
        x=box and box.x,
        y=box and box.y,
        w=box and box.width,
        h=box and box.height,
        where=item.where,
    )


def view(found: Image) -> ImageLine:
    names = ImageLine.model_fields.keys() - {"name"}
    return ImageLine(name=found.original_name, **{name: getattr(found, name) for name in names})


def face_view(found: Image, remark: str = "") -> FaceView:
    return FaceView(
        x=found.face_x,
        y=found.face_y,
        width=found.face_width,
        height=found.face_height,
        origin=found.face_origin,
        remark=remark,
    )
