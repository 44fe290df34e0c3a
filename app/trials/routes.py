"""The participant API. Who asks is known by a bearer token alone; there are no cookies."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response

from app.deps import Blobs, Db, ParticipantDoor, Visit
from app.errors import AppError
from app.models import StudyState, TrialKind
from app.security import RateLimit
from app.studies.plan import VisitPlan, plan_of
from app.trials import forms
from app.trials.decisions import record_decision, rule_of
from app.trials.endings import completion
from app.trials.pictures import find_heat_map, find_picture, pad_jpeg, pad_png
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
from app.trials.service import KEEP_DRAFT, AnyRow, proceed
from app.trials.steps import Step

router = APIRouter(tags=["participant"])

OFTEN: Final = "Too many requests at once; please wait a minute."

# Of one participant, in each web process. Reading and deciding have no limit: a trial is decided once.
DRAFTS: Final = RateLimit("60 per minute", OFTEN)  # a page sends one every three seconds
FORMS: Final = RateLimit("60 per minute", OFTEN)  # quiz, closing questions, device
REFUSED: Final = RateLimit("120 per minute", OFTEN)  # decisions that are looked at and not taken

CACHED: Final = {"Cache-Control": "private, max-age=3600, immutable"}


@router.get("/api/participant/next")
def what_comes_next(door: ParticipantDoor) -> NextTrial | NextStep | Done:
    """The step that comes now: the quiz, a trial (the same one until it is decided), questions, the end."""
    with door.opened() as (db, visit):
        plan = plan_of(visit.study)
        place = proceed(db, visit, plan)
        match place.step:
            case Step.QUIZ:
                return NextStep(step=quiz_step(plan, forms.attempts_left(db, visit, plan)))
            case Step.TRIALS:
                return next_trial(visit, place.trials)
            case Step.QUESTIONS:
                return NextStep(step=questions_step(plan))
            case Step.END:
                return Done(completion=completion(db, visit, plan))


def quiz_step(plan: VisitPlan, attempts_left: int) -> QuizStep:
    """The quiz without its answers."""
    asked = plan.quiz_questions.items()
    questions = [QuizQuestionView(id=key, text=one.text, options=list(one.options)) for key, one in asked]
    return QuizStep(questions=questions, attempts_left=attempts_left)


def questions_step(plan: VisitPlan) -> QuestionsStep:
    return QuestionsStep(
        questions=[ClosingQuestionView.model_validate(one.model_dump()) for one in plan.questions]
    )


def next_trial(visit: Visit, trials: Sequence[AnyRow]) -> NextTrial:
    """The trial to decide now and those after it that may be decided without an answer in between."""
    first, *rest = trials
    is_practice = first.kind is TrialKind.PRACTICE
    return NextTrial(
        trial=view(visit, first),
        upcoming=[] if is_practice else [view(visit, trial, ahead) for ahead, trial in enumerate(rest, 1)],
        preload=[
            picture_url(token)
            for trial in rest
            for token in (trial.left_token, trial.right_token)
            if token is not None
        ],
        rule=rule_of(visit.study),
        draft=first.draft,
    )


def view(visit: Visit, trial: AnyRow, ahead: int = 0) -> TrialView:
    """A trial as the browser sees it. Whether a pair is a check stays here."""
    is_practice, is_region = trial.kind is TrialKind.PRACTICE, trial.prompt is not None
    decided = trial.practice_decided if is_practice else trial.decided
    size = {"width": trial.width, "height": trial.height}
    right = trial.right_token
    return TrialView(
        id=trial.id,
        kind="practice" if is_practice else "check" if is_region else "main",
        position=decided + 1 + ahead,
        total=trial.practice_total if is_practice else trial.total,
        question=trial.question,
        prompt=trial.prompt,
        left=Picture(url=picture_url(trial.left_token), **size),
        right=Picture(url=picture_url(right), **size) if right is not None else None,
        annotate=visit.arm.annotate,
        advice=advice_view(trial) if trial.advice is not None else None,
    )


def advice_view(trial: AnyRow) -> AdviceView:
    said = trial.advice
    return AdviceView(
        decision=said["decision"],
        confidence=said["confidence"],
        left_map=f"{picture_url(trial.left_token)}/map" if said["left_map"] else None,
        right_map=f"{picture_url(trial.right_token)}/map" if said["right_map"] else None,
    )


def picture_url(token: str) -> str:
    return f"/i/{token}"


@router.put("/api/trials/{trial_id}/draft")
def keep_draft(trial_id: UUID, body: DraftBody, door: ParticipantDoor) -> Saved:
    """Keep what is painted so far. The last one counts; one after the decision or the close is dropped."""
    with door.opened() as (db, visit):
        DRAFTS.count(str(visit.participant.id))
        if visit.study.state is StudyState.CLOSED:
            return Saved()
        db.execute(KEEP_DRAFT, {"trial": trial_id, "own": visit.participant.id, "kept": body.draft})
        return Saved()


@router.put("/api/trials/{trial_id}/decision", response_model_exclude_none=True)
def decide(trial_id: UUID, body: DecisionBody, door: ParticipantDoor) -> Decided:
    """Record the decision and the strokes of one trial. Safe to send again."""
    with door.opened() as (db, visit):
        try:
            return Decided(feedback=record_decision(db, visit, plan_of(visit.study), trial_id, body))
        except AppError:
            REFUSED.count(str(visit.participant.id))
            raise


@router.post("/api/participant/quiz")
def quiz(body: QuizBody, door: ParticipantDoor) -> QuizResult:
    """One attempt at the comprehension quiz. Safe to send again."""
    with door.opened() as (db, visit):
        FORMS.count(str(visit.participant.id))
        return forms.take_quiz(db, visit, plan_of(visit.study), body.answers)


@router.post("/api/participant/answers")
def answers(body: AnswersBody, door: ParticipantDoor) -> Saved:
    """The answers to the closing questions. Safe to send again."""
    with door.opened() as (db, visit):
        FORMS.count(str(visit.participant.id))
        forms.save_answers(db, visit, plan_of(visit.study), body.answers)
        return Saved()


@router.post("/api/participant/device")
def device(body: DeviceBody, door: ParticipantDoor) -> Saved:
    """What the page's device check found; the last report is kept."""
    with door.opened() as (db, visit):
        FORMS.count(str(visit.participant.id))
        forms.save_device(db, visit, body)
        return Saved()


@router.get("/i/{token}", include_in_schema=False)
def picture(token: str, db: Db, blobs: Blobs) -> Response:
    """One face, at a length and an address that say nothing of it."""
    name, size = find_picture(db, token)
    return Response(pad_jpeg(blobs.get(name), size), media_type="image/jpeg", headers=CACHED)


@router.get("/i/{token}/map", include_in_schema=False)
def heat_map(token: str, db: Db, blobs: Blobs) -> Response:
    """What a model looked at in a face, to be laid over it; both of a pair have one length."""
    name, size = find_heat_map(db, token)
    return Response(pad_png(blobs.get(name), size), media_type="image/png", headers=CACHED)
