"""The participant's page and consent."""

from typing import Final, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.deps import AsParticipant, Db, bearer_token
from app.errors import AlreadyTookPart, BegunElsewhere
from app.models import Advice, Arm, Participant, Source, Study, StudyState, StudyVersion
from app.recruitment import service
from app.recruitment.identity import Claim, page_token
from app.recruitment.links import check_arrival
from app.recruitment.platforms import Arrival, arrival
from app.recruitment.schemas import ArmView, Enrolled, Enrolment, PageData, Return, Withdrawn
from app.recruitment.ways_out import way_out, way_out_of
from app.security import RateLimit
from app.studies.parts import Ending
from app.studies.plan import plan_of
from app.studies.service import about_lines, find_study
from app.studies.versions import earlier_version
from app.web import markdown, page, static

router = APIRouter()

BEFORE_CONSENT: Final[tuple[Ending, ...]] = ("declined", "closed", "quota_full")
"""The ends that a page can come to without asking the server."""

CHECK_IMAGE: Final = "icon.svg"
"""Says nothing; whether it loads tells whether pictures do."""


@router.get("/s/{slug}", response_class=HTMLResponse, include_in_schema=False)
def study_page(slug: str, request: Request, db: Db) -> Response:
    """The whole visit in one page. A GET starts nothing: only consent does.

    `?v=1` asks for the texts of an earlier version, for somebody who began in it.
    """
    study = find_study(db, slug)
    who = arrival(request.query_params.multi_items(), plan_of(study).panel)
    if study.state is StudyState.DRAFT:
        return page(request, "participant/draft.html", study=study, source=who.source)
    check_arrival(db, study, who)
    earlier = earlier_version(db, study, request.query_params.get("v", ""))
    content = earlier or study
    state, link = service.entrance(db, study, who), page_token(db, who.link)
    return page(
        request,
        "participant/study.html",
        study=study,
        about=about_lines(content),
        consent_html=markdown(content.consent),
        consent_version=content.consent_version,
        instructions_html=markdown(content.instructions),
        page=page_data(db, study, who, state=state, link_token=link, earlier=earlier).model_dump(mode="json"),
        rooms=rooms(set(db.scalars(select(Arm.advice).where(Arm.study_id == study.id)))),
    )


def rooms(advice: set[Advice]) -> list[str]:
    """What the page keeps room for in every arm, because one has it: faces are as large in all of them."""
    has_maps = not advice.isdisjoint({Advice.SALIENCY, Advice.BOTH})
    return [*(["words"] if advice - {Advice.NONE} else []), *(["maps"] if has_maps else [])]


def page_data(
    session: Session,
    study: Study,
    who: Arrival,
    *,
    state: StudyState | Literal["full"],
    link_token: str,
    earlier: StudyVersion | None = None,
) -> PageData:
    content = earlier or study
    plan = plan_of(content)
    claim = Claim(who.source, who.external_id or "", who.session)
    return PageData.model_validate(
        {
            "study": study.slug,
            "title": content.title,
            "version": earlier.number if earlier else study.version,
            "state": state,
            "consent_version": content.consent_version,
            "source": who.source,
            "external_id": who.external_id,
            "assignment_id": who.session,
            "turk_submit_to": who.submit_url,
            "link_token": link_token if who.source is Source.LINK else None,
            "via": who.via,
            "panel": plan.panel.name if plan.panel and who.source is Source.PANEL else None,
            "preview": who.is_preview,
            "device": plan.device.model_dump(),
            "check_image": static(CHECK_IMAGE),
            "ways_out": {
                ending: way_out(session, study, plan, ending, claim)._asdict() for ending in BEFORE_CONSENT
            },
            "breaks_every": plan.breaks and plan.breaks.every,
            "has_quiz": plan.quiz is not None,
            "has_practice": plan.has_practice,
        }
    )


@router.post("/api/studies/{slug}/participants", status_code=201, tags=["participant"])
def enrol(slug: str, enrolment: Enrolment, request: Request, response: Response, db: Db) -> Enrolled:
    """Consent: 201 for a new participant, 200 for one who returns and shows that it is their visit."""
    token = bearer_token(request.headers.get("authorization", ""))
    try:
        participant, is_new = service.enrol(db, slug, enrolment, token=token)
    except (AlreadyTookPart, BegunElsewhere):
        count_arrival(request)  # nobody tries out a thousand ids
        raise
    if is_new and not participant.is_simulated:
        count_arrival(request)  # which may undo the enrolment: one request is one transaction
    response.status_code = 201 if is_new else 200
    return enrolled(db, participant)


@router.post("/api/participant/return", tags=["participant"])
def come_back(sent: Return, db: Db) -> Enrolled:
    """Go on with a visit by a link from the staff, which works once."""
    return enrolled(db, service.come_back(db, sent.code))


def count_arrival(request: Request) -> None:
    arrivals: RateLimit = request.app.state.arrivals
    arrivals.count(request.client.host if request.client else "")


def enrolled(db: Db, participant: Participant) -> Enrolled:
    return Enrolled(
        token=service.issue_token(db, participant),
        participant=participant.id,
        arm=ArmView(annotate=service.arm_of(db, participant).annotate),
        trials=service.count_trials(db, participant),
        version=participant.study_version,
    )


@router.post("/api/participant/withdraw", tags=["participant"])
def withdraw(asking: AsParticipant) -> Withdrawn:
    """Leave the study; what was recorded is removed. Safe to send again."""
    with asking.opened(withdrawn=True) as (db, visit):
        service.withdraw(db, visit.participant)
        plan = plan_of(visit.content)
        leaving = way_out_of(db, visit.study, plan, "withdrawn", visit.participant)
        return Withdrawn(reference=visit.participant.reference, **leaving._asdict())
