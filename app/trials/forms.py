"""What participants send beside their trials: answers to the quiz and the closing questions, device facts."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.deps import Visit
from app.errors import AlreadyAnswered, BadInput, NotAParticipant, WrongState
from app.models import ParticipantState, QuizAttempt, Screening, StudyState
from app.recruitment.assignment import lock_study
from app.recruitment.service import screen_out
from app.studies.parts import ClosingQuestion, QuizQuestion
from app.studies.plan import VisitPlan
from app.trials.schemas import AnswersBody, DeviceBody, QuizResult
from app.trials.service import finish, proceed
from app.trials.steps import Step


def attempts_left(session: Session, visit: Visit, plan: VisitPlan) -> int:
    made = select(func.count()).where(QuizAttempt.participant_id == visit.participant.id)
    return (plan.quiz.attempts if plan.quiz else 0) - (session.scalar(made) or 0)


def take_quiz(session: Session, visit: Visit, plan: VisitPlan, answers: Mapping[str, int]) -> QuizResult:
    """Record an attempt and return what was wrong; after the last wrong attempt the visit is over.

    The same answers twice in a row are one attempt, and a quiz once passed stays passed. Attempts take
    turns under the study's lock, which a failed quiz needs to free the participant's places.
    """
    _check_options(plan.quiz_questions, answers)
    lock_study(session, visit.study.id)
    participant = visit.participant
    session.refresh(participant)
    _refuse_withdrawn(visit)
    attempts = session.scalars(
        select(QuizAttempt)
        .where(QuizAttempt.participant_id == participant.id)
        .order_by(QuizAttempt.number.desc())
    ).all()
    left = (plan.quiz.attempts if plan.quiz else 0) - len(attempts)
    if attempts and attempts[0].answers == answers:
        return QuizResult(passed=attempts[0].passed, wrong=attempts[0].wrong, attempts_left=left)
    if participant.quiz_passed_at is not None:
        return QuizResult(passed=True, wrong=[], attempts_left=left)
    is_over = participant.state is not ParticipantState.ACTIVE or visit.study.state is StudyState.CLOSED
    if plan.quiz is None or is_over:
        raise WrongState("There is no quiz to answer now.")
    wrong = [key for key, question in plan.quiz_questions.items() if answers[key] != question.answer]
    session.add(
        QuizAttempt(
            participant_id=participant.id, number=len(attempts) + 1, answers=dict(answers), wrong=wrong
        )
    )
    if not wrong:
        participant.quiz_passed_at = datetime.now(UTC)
    elif left == 1:
        session.flush()
        screen_out(session, participant, Screening.QUIZ)
    return QuizResult(passed=not wrong, wrong=wrong, attempts_left=left - 1)


def _check_options(questions: Mapping[str, QuizQuestion], answers: Mapping[str, int]) -> None:
    for key in answers:
        if key not in questions:
            raise BadInput(f"answers: the quiz has no question {key!r}.")
    for key, question in questions.items():
        if key not in answers:
            raise BadInput(f"answers: question {key} is not answered.")
        if not 1 <= answers[key] <= len(question.options):
            raise BadInput(f"answers: question {key} has the options 1 to {len(question.options)}.")


def save_answers(session: Session, visit: Visit, plan: VisitPlan, body: AnswersBody) -> None:
    """Record the answers to the closing questions, once; the visit ends with them."""
    given = {key: text.strip() for key, text in body.answers.items() if text.strip()}
    _check_answers({question.id: question for question in plan.questions}, given)
    if visit.participant.answered_at is None:
        lock_study(session, visit.study.id)  # another page of the participant may answer at the same time
        session.refresh(visit.participant)
        _refuse_withdrawn(visit)
    participant = visit.participant
    if participant.answered_at is not None:
        if participant.answers != given:
            raise AlreadyAnswered
        return
    if proceed(session, visit, plan).step is not Step.QUESTIONS:
        raise WrongState("There are no questions to answer now.")
    participant.answers = given
    participant.pastes, participant.drops = body.pastes, body.drops
    participant.answered_at = datetime.now(UTC)
    session.flush()
    finish(session, participant)


def _check_answers(questions: Mapping[str, ClosingQuestion], given: Mapping[str, str]) -> None:
    for key, text in given.items():
        if key not in questions:
            raise BadInput(f"answers: there is no question {key!r}.")
        options = questions[key].options
        if options is not None and text not in options:
            raise BadInput(f"answers: {text!r} is not an option of question {key}.")
    for key, question in questions.items():
        if question.required and key not in given:
            raise BadInput(f"answers: question {key} must be answered.")


def _refuse_withdrawn(visit: Visit) -> None:
    if visit.participant.state is ParticipantState.WITHDRAWN:
        raise NotAParticipant


def save_device(session: Session, visit: Visit, report: DeviceBody) -> None:
    """Record the last report of the device check, unless the study is closed."""
    if visit.study.state is StudyState.CLOSED:
        return
    session.refresh(visit.participant, with_for_update=True)  # they may be withdrawing at the same time
    _refuse_withdrawn(visit)
    visit.participant.device = report.model_dump()
