"""A visit as a participant would see it, at any step of any arm. Nothing is recorded."""

from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.dashboard.studies.scenes import arms_of, scenes, write_nothing
from app.deps import CurrentStaff, Db
from app.errors import NotFound
from app.forms import Fields
from app.models import Source, StudyState
from app.recruitment.platforms import Arrival
from app.recruitment.routes import page_data, rooms
from app.studies.plan import plan_of
from app.studies.service import about_lines, find_study
from app.trials.pictures import Addresses
from app.trials.routes import Pictures
from app.web import markdown, page

router: Final = APIRouter(prefix="/staff/studies/{slug}/preview", include_in_schema=False)


class PreviewView(Fields):
    """The query of the address of the page."""

    arm: str = ""
    """Empty: the first one."""
    step: str = "consent"


@router.get("")
def preview(
    request: Request,
    db: Db,
    pictures: Pictures,
    _staff: CurrentStaff,
    slug: str,
    view: Annotated[PreviewView, Query()],
) -> HTMLResponse:
    write_nothing(db)
    study = find_study(db, slug)
    arms = arms_of(db, study)
    arm = next((arm for arm in arms if view.arm in ("", arm.name)), None)
    if arm is None:
        raise NotFound(f"The study has no arm {view.arm!r}.")
    shown = scenes(db, study, arm, Addresses(db, pictures.seal(db)))
    step = view.step if view.step in {scene.step for scene in shown} else shown[0].step
    data = page_data(db, study, Arrival(Source.LINK), state=StudyState.OPEN, link_token="")
    withdrawn = plan_of(study).endings.way_out("withdrawn", Source.LINK)._asdict()
    script = {
        "annotate": arm.annotate,
        "step": step,
        "scenes": list(map(asdict, shown)),
        "withdrawn": withdrawn,
    }
    return page(
        request,
        "participant/preview.html",
        study=study,
        arms=arms,
        arm=arm,
        step=step,
        scenes=shown,
        about=about_lines(study),
        consent_html=markdown(study.consent),
        consent_version=study.consent_version,
        instructions_html=markdown(study.instructions),
        rooms=rooms({one.advice for one in arms}),
        page=data.model_dump(mode="json"),
        script=script,
    )
