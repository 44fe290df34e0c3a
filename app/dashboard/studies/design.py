"""What a study is made of: its description, shown, downloaded, taken in as TOML, and the end of a draft."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import Field
from starlette.datastructures import FormData, UploadFile

from app.dashboard.studies import planner as planning
from app.dashboard.studies.changes import SAVE_OVER, StudyChange, saved
from app.dashboard.studies.planner import Planner
from app.deps import Config, CurrentStaff, Db, Editor
from app.errors import AlreadyExists, BadInput, BadStudy, EditedMeanwhile
from app.flash import Flash, leave_for
from app.forms import Fields
from app.models import Study, StudyState
from app.planning.planner import plan_study
from app.planning.schemas import PlannerBody, PlannerView
from app.studies import service
from app.studies.deviations import plan_report
from app.studies.drafts import find_save, history_of
from app.studies.pilots import pilots_of, start_pilot
from app.studies.progress import list_studies
from app.studies.routes import TOML
from app.studies.schemas import StudySpec, parse_study
from app.studies.toml import toml_of, written
from app.studies.versions import find_version, versions_of
from app.web import page
from saliency.files.text import TextFileError, decode_text

EXAMPLE: Final = """\
slug = "which-face"
title = "Which face is real?"
trials_per_participant = 30
judgements = 5

[[arms]]
name = "annotate"
annotate = true

[[arms]]
name = "control"
annotate = false

[pairs]
per_source = 100
"""
"""What somebody begins with who writes a description on the page."""

router: Final = APIRouter(prefix="/staff/studies", include_in_schema=False)


async def sent_form(request: Request) -> FormData:
    async with request.form() as form:
        return form


SentForm = Annotated[FormData, Depends(sent_form)]


async def sent(request: Request) -> "SentToml":
    async with request.form() as form:
        return await read_sent(form)


class SentToml(Fields):
    """A description as it was typed or chosen, and the CSV files chosen with it."""

    toml: str = ""
    files: dict[str, str] = Field(default_factory=dict)
    complaint: str = ""
    """About a file that is no text."""
    change: StudyChange = StudyChange("")


async def read_sent(form: FormData) -> SentToml:
    """What a browser sent; a chosen TOML file counts instead of what was typed."""
    toml, files = str(form.get("toml") or "").replace("\r\n", "\n"), {}
    change = StudyChange.sent(form)
    for upload in form.getlist("files"):
        if not isinstance(upload, UploadFile) or not upload.filename:
            continue
        try:
            text = decode_text(await upload.read(), name=upload.filename)
        except TextFileError as error:
            return SentToml(toml=toml, complaint=str(error), change=change)
        if upload.filename.lower().endswith(".toml"):
            toml = text
        else:
            files[upload.filename] = text
    return SentToml(toml=toml, files=files, change=change)


Sent = Annotated[SentToml, Depends(sent)]


@router.get("/new/toml")
def new_toml(request: Request, _editor: Editor) -> HTMLResponse:
    return toml_page(request, EXAMPLE)


@router.post("/new/toml")
def create_from_toml(request: Request, db: Db, editor: Editor, given: Sent) -> Response:
    try:
        spec = _spec(given)
        with db.begin_nested():
            service.create_study(db, spec, staff_id=editor.id)
    except (AlreadyExists, BadStudy) as error:
        return toml_page(request, given.toml, error=str(error))
    return RedirectResponse(f"{router.prefix}/{spec.slug}", HTTPStatus.SEE_OTHER)


@router.get("/{slug}/edit/toml")
def edit_toml(request: Request, db: Db, _editor: Editor, slug: str) -> HTMLResponse:
    study = service.find_study(db, slug)
    service.must_be_editable(study)
    return toml_page(request, toml_of(db, study), study=study)


@router.post("/{slug}/edit/toml")
def revise_from_toml(request: Request, db: Db, editor: Editor, slug: str, given: Sent) -> Response:
    study = service.find_study(db, slug)
    service.must_be_editable(study)
    before = study.version
    try:
        spec = _spec(given)
        with db.begin_nested():
            given.change.make(db, study, spec, staff_id=editor.id)
    except EditedMeanwhile as error:
        db.expire_all()
        change, said = StudyChange.shown(study, given.change, is_outdated=True), f"{error} {SAVE_OVER}"
        return toml_page(request, given.toml, study=study, error=said, change=change, is_outdated=True)
    except (AlreadyExists, BadInput) as error:
        return toml_page(request, given.toml, study=study, error=str(error), change=given.change)
    return leave_for(f"{router.prefix}/{spec.slug}/design", request, saved(study, before))


def _spec(given: SentToml) -> StudySpec:
    if given.complaint:
        raise BadStudy(given.complaint)
    return parse_study(given.toml, given.files)


def toml_page(
    request: Request,
    toml: str,
    *,
    study: Study | None = None,
    error: str = "",
    change: StudyChange | None = None,
    is_outdated: bool = False,
) -> HTMLResponse:
    return page(
        request,
        "staff/study_toml.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK,
        toml=toml,
        study=study,
        error=error,
        change=StudyChange.shown(study, change),
        is_outdated=is_outdated,
    )


@router.get("/{slug}/design")
def design(request: Request, db: Db, _staff: CurrentStaff, slug: str) -> HTMLResponse:
    study = service.find_study(db, slug)
    return page(
        request,
        "staff/study_design.html",
        study=study,
        toml=toml_of(db, study),
        is_draft=study.state is StudyState.DRAFT,
        can_change=study.state in service.EDITABLE,
        versions=versions_of(db, study),
        history=history_of(db, study),
        edition=service.edition(study),
        pilots=list_studies(db, pilots_of(db, [study.slug]).get(study.slug, [])),
    )


@router.get("/{slug}/plan")
def plan(request: Request, db: Db, config: Config, _staff: CurrentStaff, slug: str) -> HTMLResponse:
    return plan_page(request, db, config, slug, planning.read({}), action="")


@router.post("/{slug}/plan")
def ask_planner(
    request: Request, db: Db, config: Config, _editor: Editor, slug: str, form: SentForm
) -> HTMLResponse:
    action = str(form.get("action") or "")
    return plan_page(request, db, config, slug, planning.read(form), action=action)


def plan_page(
    request: Request, db: Db, config: Config, slug: str, planner: Planner, *, action: str
) -> HTMLResponse:
    """The plan beside what the study takes. action : `cost` asks a marketplace, `like` reads another study"""
    study = service.find_study(db, slug)

    def ask(asked: PlannerBody, *, ask_marketplace: bool) -> PlannerView | None:
        try:
            return plan_study(db, config, study, asked, ask_marketplace=ask_marketplace)
        except BadStudy:
            return None  # a description of long ago, which today's rules refuse

    answer, planner = planning.answered(planner, action, ask)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if planner.errors else HTTPStatus.OK
    shown = planning.shown(db, planner, answer)
    return page(
        request, "staff/study_plan.html", status=status, study=study, report=plan_report(db, study), **shown
    )


class ShownDraft(Fields):
    based_on: str | None = None
    """The edition that the page showed."""


class PilotForm(Fields):
    judgements: int = 1


@router.post("/{slug}/pilots")
def start(
    request: Request, db: Db, editor: Editor, slug: str, wanted: Annotated[PilotForm, Form()]
) -> RedirectResponse:
    study = service.find_study(db, slug)
    pilot = start_pilot(db, study, judgements=wanted.judgements, staff_id=editor.id)
    said = Flash("ok", "The pilot is open; its link is below.")
    return leave_for(f"{router.prefix}/{pilot.slug}", request, said)


@router.get("/{slug}/study.toml")
def download(db: Db, _staff: CurrentStaff, slug: str) -> Response:
    study = service.find_study(db, slug)
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}.toml"'}
    return Response(toml_of(db, study), media_type=TOML, headers=headers)


@router.get("/{slug}/versions/{version:int}/study.toml")
def download_version(db: Db, _staff: CurrentStaff, slug: str, version: int) -> Response:
    study = service.find_study(db, slug)
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}-v{version}.toml"'}
    return Response(written(find_version(db, study, version).spec), media_type=TOML, headers=headers)


@router.get("/{slug}/history/{number}/study.toml")
def download_save(db: Db, _staff: CurrentStaff, slug: str, number: int) -> Response:
    study = service.find_study(db, slug)
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}-save-{number}.toml"'}
    return Response(written(find_save(db, study, number).spec), media_type=TOML, headers=headers)


@router.post("/{slug}/history/{number}/restore")
def restore(
    request: Request, db: Db, editor: Editor, slug: str, number: int, shown: Annotated[ShownDraft, Form()]
) -> RedirectResponse:
    study = service.find_study(db, slug)
    service.restore(db, study, number, based_on=shown.based_on, staff_id=editor.id)
    said = Flash("ok", f"The draft says again what save {number} said; that is a save of its own.")
    return leave_for(f"{router.prefix}/{study.slug}/design", request, said)


@router.post("/{slug}/delete")
def delete(request: Request, db: Db, _editor: Editor, slug: str) -> RedirectResponse:
    study = service.find_study(db, slug)
    title = study.title
    service.delete_draft(db, study)
    return leave_for(router.prefix, request, Flash("ok", f"The draft “{title}” is deleted."))
