"""The steps of a visit."""

import enum

from app.deps import Visit
from app.models import ParticipantState, StudyState
from app.studies.plan import VisitPlan


class Step(enum.Enum):
    """The steps in their order; a study has a quiz or closing questions only if it defines them."""

    QUIZ = enum.auto()
    TRIALS = enum.auto()
    QUESTIONS = enum.auto()
    END = enum.auto()


def next_step(visit: Visit, plan: VisitPlan, *, undecided: bool) -> Step:
    """The first step that is not done.

    undecided : whether the participant has a trial to decide
    """
    participant = visit.participant
    if participant.state is not ParticipantState.ACTIVE or visit.study.state is StudyState.CLOSED:
        return Step.END
    if plan.quiz and participant.quiz_passed_at is None:
        return Step.QUIZ
    if undecided:
        return Step.TRIALS
    if plan.questions and participant.answered_at is None:
        return Step.QUESTIONS
    return Step.END
