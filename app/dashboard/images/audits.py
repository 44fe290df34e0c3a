"""The page of the shortcut audit: of all imported images, or of those that a study shows."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field
from sqlalchemy.orm import Session

from accuracy.shortcuts.audit import FEWEST, NAMES
from app.dashboard.background import WorkProgress, progress_by_number
from app.deps import CurrentStaff, Db, Editor
from app.experiments.audits import audit_under_way, kept_audit
from app.experiments.background_tasks import request_audit
from app.forms import Fields
from app.models import UNFINISHED, Study
from app.studies.service import find_study
from app.web import page

router: Final = APIRouter(prefix="/staff/images/audit", include_in_schema=False)


class AuditedImages(Fields):
    """Which images: those that a study shows, or all."""

    study: str = Field("", max_length=100)

    def found(self, db: Session) -> Study | None:
        return find_study(db, self.study) if self.study else None


def audit_address(slug: str | None) -> str:
    """The page of the audit of a study's images; None: of all."""
    return f"{router.prefix}?study={slug}" if slug else router.prefix


@router.get("")
def audit_page(
    request: Request, db: Db, _staff: CurrentStaff, wanted: Annotated[AuditedImages, Query()]
) -> HTMLResponse:
    """Whether labels can be told by what is not the face, as a worker computed it last."""
    study = wanted.found(db)
    slug = study.slug if study else None
    return page(
        request,
        "staff/images_audit.html",
        study=study,
        kept=kept_audit(db, slug),
        task=audit_under_way(db, slug),
        works=_under_way(db, slug),
        names=NAMES,
        fewest=FEWEST,
    )


@router.get("/state.json")
def state(db: Db, _staff: CurrentStaff, wanted: Annotated[AuditedImages, Query()]) -> dict[int, WorkProgress]:
    """How far the audit is, for a page that waits."""
    return _under_way(db, wanted.study or None)


def _under_way(db: Session, slug: str | None) -> dict[int, WorkProgress]:
    task = audit_under_way(db, slug)
    return progress_by_number([(task.id, task)] if task and task.state in UNFINISHED else [])


@router.post("")
def compute(db: Db, editor: Editor, wanted: Annotated[AuditedImages, Form()]) -> RedirectResponse:
    """Ask a worker to compute it anew."""
    study = wanted.found(db)
    request_audit(db, study, staff_id=editor.id)
    return RedirectResponse(audit_address(study.slug if study else None), HTTPStatus.SEE_OTHER)
