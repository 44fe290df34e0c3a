"""The participant's page and consent."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from app.db import Db
from app.deps import ParticipantDoor
from app.errors import BadInput
from app.models import Advice, Arm, Source, Study, StudyState
from app.recruitment import service
from app.recruitment.identity import page_token
from app.recruitment.schemas import ArmView, Enrolled, Enrolment, PageData, Withdrawn
from app.security import RateLimit
from app.studies.plan import plan_of
from app.studies.service import find_study
from app.web import markdown, page, static

router = APIRouter()

CHECK_IMAGE: Final = "icon.svg"
"""Says nothing; whether it loads tells whether pictures do."""

# Letters, digits, hyphens and dots: what a browser and Python could read as two different hosts is none.
MTURK_SITE: Final = re.compile(r"https://([a-z0-9.-]+\.mturk\.com)(?=[:/?#]|$)", re.IGNORECASE)


class CrowdParameters(BaseModel):
    """What MTurk and Prolific add to the address of a study; everything else is ignored."""

    model_config = ConfigDict(frozen=True)

    assignment_id: str | None = Field(None, alias="assignmentId", max_length=200)
    worker_id: str | None = Field(None, alias="workerId", max_length=200)
    turk_submit_to: str | None = Field(None, alias="turkSubmitTo", max_length=200)
    link: str | None = Field(None, max_length=200)
    """A personal link's token."""
    prolific_pid: str | None = Field(None, alias="PROLIFIC_PID", max_length=200)
    session_id: str | None = Field(None, alias="SESSION_ID", max_length=200)

    @property
    def source(self) -> Source:
        if self.assignment_id or self.worker_id:
            return Source.MTURK
        return Source.PROLIFIC if self.prolific_pid else Source.LINK

    @property
    def external_id(self) -> str | None:
        """The person's id there; `BadInput` where MTurk's half of the address is missing."""
        is_whole = self.is_preview or (self.assignment_id and self.worker_id)
        if self.source is Source.MTURK and not is_whole:
            raise BadInput("This link lacks what MTurk adds to it. Please open the task again on MTurk.")
        return self.worker_id or self.prolific_pid

    @property
    def is_preview(self) -> bool:
        """MTurk shows the page before anyone accepts: nothing may be recorded."""
        return self.assignment_id == "ASSIGNMENT_ID_NOT_AVAILABLE"

    @property
    def submit_url(self) -> str | None:
        """Where MTurk wants its form; any other site is refused."""
        site = MTURK_SITE.match(self.turk_submit_to or "")
        return f"https://{site[1]}/mturk/externalSubmit" if site else None


@router.get("/s/{slug}", response_class=HTMLResponse, include_in_schema=False)
def study_page(slug: str, request: Request, crowd: Annotated[CrowdParameters, Query()], db: Db) -> Response:
    """The whole visit in one page. A GET starts nothing: only consent does."""
    study = find_study(db, slug)
    if study.state is StudyState.DRAFT:
        return page(request, "participant/draft.html", study=study)
    return page(
        request,
        "participant/study.html",
        study=study,
        consent_html=markdown(study.consent),
        consent_version=study.consent_version,
        instructions_html=markdown(study.instructions),
        page=page_data(study, crowd, link_token=page_token(db, crowd.link)),
        rooms=rooms(set(db.scalars(select(Arm.advice).where(Arm.study_id == study.id)))),
    )


def rooms(advice: set[Advice]) -> list[str]:
    """What the page keeps room for in every arm, because one has it: faces are as large in all of them."""
    has_maps = not advice.isdisjoint({Advice.SALIENCY, Advice.BOTH})
    return [*(["words"] if advice - {Advice.NONE} else []), *(["maps"] if has_maps else [])]


def page_data(study: Study, crowd: CrowdParameters, *, link_token: str) -> PageData:
    plan = plan_of(study)
    return {
        "study": study.slug,
        "title": study.title,
        "consent_version": study.consent_version,
        "source": crowd.source,
        "state": study.state,
        "external_id": crowd.external_id,
        "assignment_id": crowd.assignment_id or crowd.session_id,
        "turk_submit_to": crowd.submit_url,
        "link_token": link_token if crowd.source is Source.LINK else None,
        "preview": crowd.is_preview,
        "device": plan.device.model_dump(),
        "breaks_every": plan.breaks and plan.breaks.every,
        "has_quiz": plan.quiz is not None,
        "has_practice": plan.has_practice,
        "check_image": static(CHECK_IMAGE),
        "api": "/api",
    }


@router.post("/api/studies/{slug}/participants", status_code=201, tags=["participant"])
def enrol(slug: str, enrolment: Enrolment, request: Request, response: Response, db: Db) -> Enrolled:
    """Consent: 201 for a new participant, 200 for one who returns."""
    arrivals: RateLimit = request.app.state.arrivals
    address = request.client.host if request.client else ""
    participant, is_new = service.enrol(db, slug, enrolment)
    if not is_new:
        response.status_code = 200
    elif not participant.is_simulated:
        arrivals.refuse_excess(address)  # which undoes the enrolment: one request is one transaction
        arrivals.count(address)
    return Enrolled(
        token=service.issue_token(db, participant),
        participant=participant.id,
        arm=ArmView(annotate=service.arm_of(db, participant).annotate),
        trials=service.count_trials(db, participant),
    )


@router.post("/api/participant/withdraw", tags=["participant"])
def withdraw(door: ParticipantDoor) -> Withdrawn:
    """Leave the study; what was recorded is removed. Safe to send again."""
    with door.opened(withdrawn=True) as (db, visit):
        service.withdraw(db, visit.participant)
        redirect_url, code = plan_of(visit.study).endings.way_out("withdrawn")
        return Withdrawn(reference=visit.participant.reference, redirect_url=redirect_url, code=code)
