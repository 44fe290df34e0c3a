"""The participant API. Who asks is known by a bearer token alone; there are no cookies."""

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.orm import Session

from app.deps import AsParticipant, Visit
from app.errors import AppError
from app.messages import Answer
from app.models import StudyState, TrialKind
from app.security import RateLimit
from app.studies.plan import VisitPlan, plan_of
from app.trials import forms
from app.trials.addresses import PictureSlot
from app.trials.decisions import record_decision, rule_of
from app.trials.endings import completion
from app.trials.picture_server import PictureServer
from app.trials.pictures import Addresses
from app.trials.schemas import (
    AdviceView,
    AnswersBody,
    ClosingQuestionView,
    Decided,
    DecisionBody,
    DeviceBody,
    Done,
    DraftBody,
    NextStep,
    NextTrial,
    Picture,
    QuestionsStep,
    QuizBody,
    QuizQuestionView,
    QuizResult,
    QuizStep,
    Saved,
    TrialView,
)
from app.trials.service import SAVE_DRAFT, AnyRow, proceed
from app.trials.steps import Step

router = APIRouter(tags=["participant"])

OFTEN: Final = "Too many requests at once; please wait a minute."

# Of one participant, in each web process. Reading and deciding have no limit: a trial is decided once.
DRAFTS: Final = RateLimit("60 per minute", OFTEN)  # a page sends one every three seconds
FORMS: Final = RateLimit("60 per minute", OFTEN)  # quiz, closing questions, device
REFUSED: Final = RateLimit("120 per minute", OFTEN)  # decisions that are looked at and not taken


async def get_pictures(request: Request) -> PictureServer:
    pictures: PictureServer = request.app.state.pictures
    return pictures


Pictures = Annotated[PictureServer, Depends(get_pictures)]


def written(answer: Answer) -> Response:
    """An answer as JSON, made in this thread: FastAPI would use a second one to validate it again."""
    return Response(answer.model_dump_json(), media_type="application/json")


@router.get("/api/participant/next", response_model=NextTrial | NextStep | Done)
def what_comes_next(session: AsParticipant, pictures: Pictures) -> Response:
    """The step that comes now: the quiz, a trial (the same one until it is decided), questions, the end."""
    with session.opened() as (db, visit):
        return written(next_step(db, visit, pictures))


def next_step(db: Session, visit: Visit, pictures: PictureServer) -> NextTrial | NextStep | Done:
    plan = plan_of(visit.content)
    position = proceed(db, visit, plan)
    match position.step:
        case Step.QUIZ:
            return NextStep(step=quiz_step(plan, forms.attempts_left(db, visit, plan)))
        case Step.TRIALS:
            return next_trial(visit, position.trials, Addresses(db, pictures.seal(db)))
        case Step.QUESTIONS:
            return NextStep(step=questions_step(plan))
        case Step.END:
            return Done(completion=completion(db, visit, plan))


def quiz_step(plan: VisitPlan, attempts_left: int) -> QuizStep:
    """The quiz without its answers."""
    questions = [
        QuizQuestionView(id=key, text=question.text, options=list(question.options))
        for key, question in plan.quiz_questions.items()
    ]
    return QuizStep(questions=questions, attempts_left=attempts_left)


def questions_step(plan: VisitPlan) -> QuestionsStep:
    return QuestionsStep(
        questions=[ClosingQuestionView.model_validate(question.model_dump()) for question in plan.questions]
    )


def next_trial(visit: Visit, trials: Sequence[AnyRow], addresses: Addresses) -> NextTrial:
    """The trial to decide now and those after it that may be decided without an answer in between."""
    first, *later = (view(visit, trial, addresses, ahead) for ahead, trial in enumerate(trials))
    return NextTrial(
        trial=first,
        upcoming=[] if first.kind == "practice" else later,
        preload=[
            picture.url for trial in later for picture in (trial.left, trial.right) if picture is not None
        ],
        rule=rule_of(visit.content),
        draft=trials[0].draft,
    )


def view(visit: Visit, trial: AnyRow, addresses: Addresses, ahead: int) -> TrialView:
    """A trial as the browser gets it, which must not learn whether a pair is a check."""
    is_practice, is_region = trial.kind is TrialKind.PRACTICE, trial.prompt is not None
    decided = trial.practice_decided if is_practice else trial.decided
    size = {"width": trial.width, "height": trial.height}
    return TrialView(
        id=trial.id,
        kind="practice" if is_practice else "check" if is_region else "main",
        position=decided + 1 + ahead,
        total=trial.practice_total if is_practice else trial.total,
        question=trial.question,
        prompt=trial.prompt,
        left=Picture(url=addresses.of(trial, PictureSlot.LEFT), **size),
        right=None if is_region else Picture(url=addresses.of(trial, PictureSlot.RIGHT), **size),
        annotate=visit.arm.annotate,
        advice=advice_view(trial, addresses) if trial.advice is not None else None,
        trap=trial.has_trap,
    )


def advice_view(trial: AnyRow, addresses: Addresses) -> AdviceView:
    advice = trial.advice
    return AdviceView(
        decision=advice["decision"],
        confidence=advice["confidence"],
        left_map=addresses.of(trial, PictureSlot.LEFT_MAP) if advice["left_map"] else None,
        right_map=addresses.of(trial, PictureSlot.RIGHT_MAP) if advice["right_map"] else None,
    )


@router.put("/api/trials/{trial_id}/draft")
def keep_draft(trial_id: UUID, body: DraftBody, session: AsParticipant) -> Saved:
    """Save what is painted so far. The last draft counts; after the decision or the close none is saved."""
    with session.opened() as (db, visit):
        DRAFTS.count(str(visit.participant.id))
        if visit.study.state is StudyState.CLOSED:
            return Saved()
        db.execute(
            SAVE_DRAFT, {"trial": trial_id, "participant": visit.participant.id, "content": body.draft}
        )
        return Saved()


@router.put("/api/trials/{trial_id}/decision", response_model=Decided)
def decide(trial_id: UUID, body: DecisionBody, session: AsParticipant) -> Response:
    """Record the decision and the strokes of one trial. Safe to send again."""
    with session.opened() as (db, visit):
        try:
            feedback = record_decision(db, visit, plan_of(visit.content), trial_id, body)
        except AppError:
            REFUSED.count(str(visit.participant.id))
            raise
        return written(Decided(feedback=feedback))


@router.post("/api/participant/quiz")
def quiz(body: QuizBody, session: AsParticipant) -> QuizResult:
    """One attempt at the comprehension quiz. Safe to send again."""
    with session.opened() as (db, visit):
        FORMS.count(str(visit.participant.id))
        return forms.take_quiz(db, visit, plan_of(visit.content), body.answers)


@router.post("/api/participant/answers")
def answers(body: AnswersBody, session: AsParticipant) -> Saved:
    """The answers to the closing questions. Safe to send again."""
    with session.opened() as (db, visit):
        FORMS.count(str(visit.participant.id))
        forms.save_answers(db, visit, plan_of(visit.content), body)
        return Saved()


@router.post("/api/participant/device")
def device(body: DeviceBody, session: AsParticipant) -> Saved:
    """What the page's device check found; the last report is kept."""
    with session.opened() as (db, visit):
        FORMS.count(str(visit.participant.id))
        forms.save_device(db, visit, body)
        return Saved()
