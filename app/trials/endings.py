"""How visits end, and what a participant has in hand then."""

from typing import Final, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.deps import Visit
from app.models import ParticipantState, StudyState, Trial, TrialKind, TrialState
from app.recruitment.service import new_completion_code
from app.studies.parts import WayOut
from app.studies.plan import VisitPlan
from app.trials.schemas import Completion
from app.web import markdown

Ending = Literal["finished", "screened_out", "quota_full", "closed"]

MESSAGES: Final[dict[Ending, str]] = {
    "finished": "All your answers are saved.",
    "screened_out": "Thank you for your time.",
    "quota_full": "While you were away, other people took all the places that were left.",
    "closed": "The researchers have closed this study. Thank you for your time.",
}


def completion(session: Session, visit: Visit, plan: VisitPlan) -> Completion:
    """What the last page shows of a visit that is over."""
    ending = ending_of(visit)
    participant, study = visit.participant, visit.study
    if ending == "closed" and participant.completion_code is None and has_judged(session, visit):
        participant.completion_code = new_completion_code()  # who worked is paid, whatever ended it
    finished = WayOut(study.completion_url, None)
    redirect_url, code = finished if ending == "finished" else plan.endings.way_out(ending)
    return Completion(
        ending=ending,
        code=participant.completion_code or code,
        message=MESSAGES[ending],
        redirect_url=redirect_url,
        reference=participant.reference,
        debrief_html=markdown(study.debrief) if study.debrief and ending != "quota_full" else None,
    )


def ending_of(visit: Visit) -> Ending:
    """Whoever is still active and has nothing to do was away for too long, or the study is closed."""
    match visit.participant.state:
        case ParticipantState.FINISHED:
            return "finished"
        case ParticipantState.SCREENED_OUT:
            return "screened_out"
        case _:
            return "closed" if visit.study.state is StudyState.CLOSED else "quota_full"


def has_judged(session: Session, visit: Visit) -> bool:
    judged = select(Trial.id).where(
        Trial.participant_id == visit.participant.id,
        Trial.kind == TrialKind.MAIN,
        Trial.state == TrialState.DECIDED,
    )
    return bool(session.scalar(select(judged.exists())))
