"""Make a study."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData

from app.dashboard.images.queries import count_by_source
from app.dashboard.studies import form as study_form
from app.dashboard.studies.form import StudyForm
from app.deps import Db, Editor
from app.errors import AlreadyExists, BadStudy
from app.models import Label
from app.studies.schemas import StudySpec
from app.studies.service import create_study
from app.web import page

router: Final = APIRouter(prefix="/staff/studies", include_in_schema=False)


async def sent(request: Request) -> FormData:
    return await request.form()


Sent = Annotated[FormData, Depends(sent)]


@router.get("/new")
def new(request: Request, db: Db, _editor: Editor) -> HTMLResponse:
    return form_page(request, db, study_form.EMPTY, {})


@router.post("/new")
def create(request: Request, db: Db, editor: Editor, form: Sent) -> Response:
    typed = study_form.read(form)
    spec, errors = study_form.spec_of(typed)
    if spec is not None:
        errors = try_to_create(db, spec, staff_id=editor.id)
    if spec is None or errors:
        return form_page(request, db, typed, errors)
    return RedirectResponse(f"{router.prefix}/{spec.slug}", HTTPStatus.SEE_OTHER)


def try_to_create(db: Db, spec: StudySpec, *, staff_id: int) -> dict[str, str]:
    """Create the study, or nothing at all and say why by field."""
    try:
        with db.begin_nested():
            create_study(db, spec, staff_id=staff_id)
    except AlreadyExists as error:
        return {"slug": str(error)}
    except BadStudy as error:
        return {"pairs_csv" if spec.pairs.listed else "per_source": str(error)}
    return {}


def form_page(request: Request, db: Db, form: StudyForm, errors: dict[str, str]) -> HTMLResponse:
    sources = count_by_source(db)
    context: dict[str, Any] = {
        "form": form,
        "values": form.values,
        "errors": errors,
        "fakes": [(name, count) for label, name, count in sources if label is Label.FAKE],
        "reals": [(name, count) for label, name, count in sources if label is Label.REAL],
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK
    return page(request, "staff/new_study.html", status=status, **context)
