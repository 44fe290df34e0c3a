"""The participant API. Who asks is known by a bearer token alone; there are no cookies."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import select

from app.db import Db
from app.deps import Blobs, CurrentParticipant
from app.models import Arm, Image, Participant, Study, Trial
from app.trials import service
from app.trials.pictures import find_picture, pad_jpeg
from app.trials.schemas import (
    AnnotationRule,
    Completion,
    DecisionBody,
    Done,
    NextTrial,
    Picture,
    Saved,
    TrialView,
)

router = APIRouter(tags=["participant"])

THANKS = "Thank you. Your answers are saved."


@router.get("/api/participant/next")
def next_trial(participant: CurrentParticipant, db: Db) -> NextTrial | Done:
    """The trial to decide now; the same one until it is decided, then the completion."""
    trials = service.next_trials(db, participant)
    study = db.get_one(Study, participant.study_id)
    if not trials:
        return done(participant, study)
    pictures = picture_sizes(db, trials)
    return NextTrial(
        trial=view(db, participant, trials[0], pictures),
        preload=[
            picture_url(token) for trial in trials[1:] for token in (trial.left_token, trial.right_token)
        ],
        rule=AnnotationRule(min_strokes=study.min_strokes),
    )


def done(participant: Participant, study: Study) -> Done:
    code = participant.completion_code or ""
    return Done(completion=Completion(code=code, message=THANKS, redirect_url=study.completion_url))


def picture_sizes(db: Db, trials: Sequence[Trial]) -> dict[int, Image]:
    shown = {image for trial in trials[:1] for image in (trial.left_image_id, trial.right_image_id)}
    return {image.id: image for image in db.scalars(select(Image).where(Image.id.in_(shown)))}


def view(db: Db, participant: Participant, trial: Trial, images: dict[int, Image]) -> TrialView:
    position, total = service.position_and_total(db, trial)
    left, right = images[trial.left_image_id], images[trial.right_image_id]
    return TrialView(
        id=trial.id,
        kind=trial.kind,
        position=position,
        total=total,
        question=trial.question,
        left=Picture(url=picture_url(trial.left_token), width=left.width, height=left.height),
        right=Picture(url=picture_url(trial.right_token), width=right.width, height=right.height),
        annotate=db.get_one(Arm, participant.arm_id).annotate,
    )


def picture_url(token: str) -> str:
    return f"/i/{token}"


@router.put("/api/trials/{trial_id}/decision")
def decide(trial_id: UUID, body: DecisionBody, participant: CurrentParticipant, db: Db) -> Saved:
    """Record the decision and the strokes of one trial. Safe to send again."""
    service.record_decision(db, participant, trial_id, body)
    return Saved()


@router.get("/i/{token}", include_in_schema=False)
def picture(token: str, db: Db, blobs: Blobs) -> Response:
    """One face, at a length and an address that say nothing of it."""
    name, size = find_picture(db, token)
    return Response(
        pad_jpeg(blobs.get(name), size),
        media_type="image/jpeg",
        headers={"Cache-Control": "private, max-age=3600, immutable"},
    )
