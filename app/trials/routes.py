"""The participant API. Who asks is known by a bearer token alone; there are no cookies."""

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import select

from app.db import Db
from app.deps import Blobs, CurrentVisit, Visit
from app.models import Image, Trial
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
def next_trial(visit: CurrentVisit, db: Db) -> NextTrial | Done:
    """The trial to decide now; the same one until it is decided, then the completion."""
    trials = service.next_trials(db, visit)
    if not trials:
        return done(visit)
    first, *upcoming = views(db, visit, trials)
    return NextTrial(
        trial=first,
        upcoming=upcoming,
        preload=[
            picture_url(token) for trial in trials[1:] for token in (trial.left_token, trial.right_token)
        ],
        rule=AnnotationRule(min_strokes=visit.study.min_strokes),
    )


def done(visit: Visit) -> Done:
    code = visit.participant.completion_code or ""
    return Done(completion=Completion(code=code, message=THANKS, redirect_url=visit.study.completion_url))


def views(db: Db, visit: Visit, trials: Sequence[Trial]) -> list[TrialView]:
    """Trials as the browser sees them, the first of them where the participant stands now."""
    position, total = service.position_and_total(db, trials[0])
    wanted = {image for trial in trials for image in (trial.left_image_id, trial.right_image_id)}
    images = {image.id: image for image in db.scalars(select(Image).where(Image.id.in_(wanted)))}
    return [
        TrialView(
            id=trial.id,
            kind=trial.kind,
            position=position + ahead,
            total=total,
            question=trial.question,
            left=picture_view(trial.left_token, images[trial.left_image_id]),
            right=picture_view(trial.right_token, images[trial.right_image_id]),
            annotate=visit.arm.annotate,
        )
        for ahead, trial in enumerate(trials)
    ]


def picture_view(token: str, image: Image) -> Picture:
    return Picture(url=picture_url(token), width=image.width, height=image.height)


def picture_url(token: str) -> str:
    return f"/i/{token}"


@router.put("/api/trials/{trial_id}/decision")
def decide(trial_id: UUID, body: DecisionBody, visit: CurrentVisit, db: Db) -> Saved:
    """Record the decision and the strokes of one trial. Safe to send again."""
    service.record_decision(db, visit, trial_id, body)
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
