"""Make and edit a study on a form."""

from http import HTTPStatus
from typing import Annotated, Any, Final, get_args

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from app.dashboard.images.queries import count_by_source
from app.dashboard.studies import form as study_form
from app.dashboard.studies import planner as planning
from app.dashboard.studies.changes import SAVE_OVER, StudyChange, saved
from app.dashboard.studies.form import StudyForm
from app.deps import Config, Db, Editor
from app.errors import AlreadyExists, BadInput, BadStudy, EditedMeanwhile
from app.flash import leave_for
from app.forms import Fields
from app.models import Label, Study
from app.planning.planner import plan
from app.planning.schemas import PlannerBody, PlannerView
from app.studies import service
from app.studies.copying import free_slug
from app.studies.parts import FlagKind, Slug
from app.studies.schemas import StudySpec
from app.studies.toml import description_of
from app.web import page

router: Final = APIRouter(prefix="/staff/studies", include_in_schema=False)

Sources = list[tuple[Label, str, int]]


class NewStudy(Fields):
    """The query of the address of the page."""

    like: Slug | None = None
    """A study whose description it begins with."""


async def sent(request: Request) -> FormData:
    async with request.form() as form:
        return form


Sent = Annotated[FormData, Depends(sent)]


@router.get("/new")
def new(
    request: Request, db: Db, config: Config, _editor: Editor, asked: Annotated[NewStudy, Query()]
) -> HTMLResponse:
    if asked.like is None:
        return form_page(request, db, config, study_form.new_form())
    study = service.find_study(db, asked.like)
    named = {"slug": free_slug(db, study.slug)}
    return form_page(request, db, config, study_form.filled(description_of(db, study) | named))


@router.post("/new")
def create(request: Request, db: Db, config: Config, editor: Editor, form: Sent) -> Response:
    typed = study_form.read(form)
    if more := _asked_for_more(form, typed):
        return form_page(request, db, config, more, sent=form)
    spec, errors = study_form.spec_of(typed)
    if spec is not None:
        errors = tried(db, lambda: service.create_study(db, spec, staff_id=editor.id))
    if spec is None or errors:
        return form_page(request, db, config, typed, sent=form, errors=errors)
    return RedirectResponse(f"{router.prefix}/{spec.slug}", HTTPStatus.SEE_OTHER)


@router.get("/{slug}/edit")
def edit(request: Request, db: Db, config: Config, _editor: Editor, slug: str) -> HTMLResponse:
    study = service.find_study(db, slug)
    service.must_be_editable(study)
    return form_page(request, db, config, study_form.filled(description_of(db, study)), study=study)


@router.post("/{slug}/edit")
def revise(request: Request, db: Db, config: Config, editor: Editor, slug: str, form: Sent) -> Response:
    study, typed, change = service.find_study(db, slug), study_form.read(form), StudyChange.sent(form)
    service.must_be_editable(study)
    before = study.version
    if more := _asked_for_more(form, typed):
        return form_page(request, db, config, more, sent=form, study=study, change=change)
    spec, errors = study_form.spec_of(typed)
    if spec is not None:
        errors = tried(db, lambda: change.make(db, study, spec, staff_id=editor.id))
    if spec is None or errors:
        return form_page(request, db, config, typed, sent=form, study=study, errors=errors, change=change)
    return leave_for(f"{router.prefix}/{spec.slug}/design", request, saved(study, before))


def _asked_for_more(form: FormData, typed: StudyForm) -> StudyForm | None:
    """The form as it was sent and with a row more, or to ask the planner; None when it is to be saved."""
    match str(form.get("action") or "").split(":"):
        case ["add", name] if name in study_form.ROWS:
            return typed.with_row(name)
        case ["totals"] | ["cost"] | ["like"]:
            return typed
    return None


def tried(db: Db, change: Any) -> dict[str, str]:
    """Change the database, or nothing at all and say why by control."""
    try:
        with db.begin_nested():
            change()
    except AlreadyExists as error:
        return {"slug": str(error)}
    except EditedMeanwhile as error:
        db.expire_all()
        return {"based_on": f"{error} {SAVE_OVER}"}
    except BadStudy as error:
        return study_form.by_words(str(error))
    except BadInput as error:
        return {"reason": str(error)}
    return {}


def planned_spec(form: StudyForm) -> StudySpec | None:
    """What the planner is asked about; None while numbers are not complete. A name is not needed for them."""
    named = {name: form.values[name] or "x" for name in ("slug", "title")}
    return study_form.spec_of(StudyForm({**form.values, **named}, form.chosen, form.rows))[0]


def count_pairs(spec: StudySpec, sources: Sources) -> int:
    if spec.pairs.listed is not None:
        return len(spec.pairs.listed)
    fakes = [name for label, name, _ in sources if label is Label.FAKE]
    return (spec.pairs.per_source or 0) * len(spec.pairs.sources or fakes)


def form_page(
    request: Request,
    db: Db,
    config: Config,
    form: StudyForm,
    *,
    sent: FormData | None = None,
    study: Study | None = None,
    errors: dict[str, str] | None = None,
    change: StudyChange | None = None,
) -> HTMLResponse:
    sources, spec = count_by_source(db), planned_spec(form)
    sent = sent or FormData()

    def ask(asked: PlannerBody, *, ask_marketplace: bool) -> PlannerView | None:
        if spec is None:
            return None
        pairs = count_pairs(spec, sources)
        return plan(db, config, spec, asked, pairs=pairs, ask_marketplace=ask_marketplace)

    answer, planner = planning.answered(planning.read(sent), str(sent.get("action") or ""), ask)
    shown = StudyChange.shown(study, change, is_outdated="based_on" in (errors or ()))
    return page(
        request,
        "staff/study_form.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        study=study,
        change=shown,
        form=form,
        values=form.values,
        errors=errors or {},
        fakes=[(name, count) for label, name, count in sources if label is Label.FAKE],
        flag_kinds=get_args(FlagKind),
        reals=[(name, count) for label, name, count in sources if label is Label.REAL],
        **planning.shown(db, planner, answer),
    )
