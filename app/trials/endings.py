"""How a visit ends: the reason, the completion code, the way back to the platform."""

from typing import Final, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.deps import Visit
from app.models import ParticipantState, Screening, Source, StudyState, Trial, TrialKind, TrialState
from app.recruitment.service import new_completion_code
from app.recruitment.ways_out import AnyEnding, listed_way_out, way_out_of
from app.studies.parts import WayOut
from app.studies.plan import VisitPlan
from app.trials.schemas import Completion
from app.web import markdown

Ending = Literal["finished", "screened_out", "quota_full", "closed"]

REASONS: Final[dict[Ending, str]] = {
    "finished": "All your answers are saved.",
    "screened_out": "Thank you for your time.",
    "quota_full": "While you were away, other people took all the places that were left.",
    "closed": "The researchers have closed this study. Thank you for your time.",
}
SCREENED_OUT: Final = {
    Screening.QUIZ: "Some of your answers about the instructions were wrong, and no attempts are left.",
    Screening.CHECKS: "This study has attention checks. You failed more of them than it allows.",
}
CLOSED_EARLY: Final = "The researchers closed this study before you finished. Your answers are saved."


def completion(session: Session, visit: Visit, plan: VisitPlan) -> Completion:
    """The content of the last page of a visit."""
    ending = ending_of(visit)
    participant, study, debrief = visit.participant, visit.study, visit.content.debrief
    is_owed = ending == "closed" and has_judged(session, visit)
    if is_owed and participant.completion_code is None:
        # Work that counts is paid, even when staff close the study before the visit is finished.
        participant.completion_code = new_completion_code()
    leaving = way_out_after(session, visit, plan, ending)
    if is_owed and (listed := listed_way_out(session, study, "finished", participant.source)):
        leaving = listed  # a code that staff review, and can pay
    return Completion(
        ending=ending,
        code=code_of(visit, ending, leaving),
        message=CLOSED_EARLY if is_owed else reason(visit, ending),
        is_owed=is_owed,
        redirect_url=leaving.redirect_url,
        reference=participant.reference,
        debrief_html=markdown(debrief) if debrief and ending != "quota_full" else None,
    )


def way_out_after(session: Session, visit: Visit, plan: VisitPlan, ending: Ending) -> WayOut:
    failed = ending == "screened_out" and visit.participant.screened_out_by is Screening.CHECKS
    said: AnyEnding = "failed_checks" if failed else ending
    return way_out_of(session, visit.study, plan, said, visit.participant, content=visit.content)


def code_of(visit: Visit, ending: Ending, leaving: WayOut) -> str | None:
    """The completion code to show; None where the participant's platform would not know one.

    Prolific knows only the codes that its study was set up with. Elsewhere staff look codes up, and the
    participant's own code identifies one person, which a code of the whole study does not.
    """
    personal = visit.participant.completion_code if visit.participant.source is not Source.PROLIFIC else None
    match ending:
        case "finished":
            return leaving.code or personal
        case "closed":
            return personal or leaving.code
        case _:
            return leaving.code


def reason(visit: Visit, ending: Ending) -> str:
    """Why a visit is over, in words for its participant."""
    screening = visit.participant.screened_out_by
    return SCREENED_OUT[screening] if ending == "screened_out" and screening else REASONS[ending]


def ending_of(visit: Visit) -> Ending:
    """How a visit ended; an active participant was away for too long, unless the study is closed."""
    match visit.participant.state:
        case ParticipantState.FINISHED:
            return "finished"
        case ParticipantState.SCREENED_OUT:
            return "screened_out"
        case _:
            return "closed" if visit.study.state is StudyState.CLOSED else "quota_full"


def has_judged(session: Session, visit: Visit) -> bool:
    """Whether the participant has decided a main trial."""
    judged = select(Trial.id).where(
        Trial.participant_id == visit.participant.id,
        Trial.kind == TrialKind.MAIN,
        Trial.state == TrialState.DECIDED,
    )
    return bool(session.scalar(select(judged.exists())))
