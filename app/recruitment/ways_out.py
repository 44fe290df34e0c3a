"""Where people are sent whose visit ends: what a marketplace lists comes before what the description says."""

from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import Listing, Participant, Source, Study, StudyContent, WorkerIdentity
from app.recruitment.identity import Claim
from app.recruitment.marketplaces.registry import CODE_ADDRESSES
from app.studies.parts import Ending, WayOut
from app.studies.plan import VisitPlan

AnyEnding = Ending | Literal["finished", "failed_checks"]


def way_out(
    session: Session,
    study: Study,
    plan: VisitPlan,
    ending: AnyEnding,
    who: Claim,
    *,
    content: StudyContent | None = None,
) -> WayOut:
    """`content`: what this person meets of the study, where it is not its newest version."""
    if listed := listed_way_out(session, study, ending, who.source):
        return listed
    of_panel = plan.panel if who.source is Source.PANEL else None
    if of_panel and (leaving := of_panel.way_out(ending, who.identity, who.session)):
        return leaving
    if ending == "finished":
        return WayOut.of((content or study).completion_url, None, who.source)
    return plan.endings.way_out("screened_out" if ending == "failed_checks" else ending, who.source)


def way_out_of(
    session: Session,
    study: Study,
    plan: VisitPlan,
    ending: AnyEnding,
    participant: Participant,
    *,
    content: StudyContent | None = None,
) -> WayOut:
    """The same for somebody whose visit has begun."""
    who = Claim(participant.source, "")
    if who.source is Source.PANEL:  # whose addresses name the person
        known = session.get_one(WorkerIdentity, participant.id)
        who = Claim(participant.source, known.external_id, known.assignment_id)
    return way_out(session, study, plan, ending, who, content=content)


def listed_way_out(session: Session, study: Study, ending: AnyEnding, source: Source) -> WayOut | None:
    """The address and the code that the marketplace knows; None of a study that it does not list."""
    if source not in CODE_ADDRESSES:
        return None
    listed = (Listing.study_id == study.id, Listing.marketplace == source)
    code = session.scalar(select(Listing.codes[ending].astext).where(*listed))
    return WayOut(CODE_ADDRESSES[source](code), code) if code else None
