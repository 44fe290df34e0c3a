"""What a participant did in each trial: times, choice, events, strokes. For the replay and the API."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from app.db import AnyRow
from app.errors import NotFound
from app.messages import Answer, DocumentedAs
from app.models import (
    Annotation,
    Decision,
    Image,
    Label,
    Participant,
    Question,
    RegionCheck,
    Side,
    Stroke,
    Trial,
    TrialKind,
    TrialState,
    strokes_json,
)
from app.trials.events import interruptions
from app.trials.schemas import StrokeShape, TrialEvent

PAGE_SIZE: Final = 20

Left, Right = aliased(Image), aliased(Image)


class ShownImage(Answer):
    """A face of a trial."""

    image_id: int
    width: int
    height: int
    label: Label
    source: str


class GivenAdvice(Answer):
    """What a model said of the pair."""

    decision: Side | None
    confidence: float | None


class TrialRecord(Answer):
    """A trial with all that is kept of it."""

    id: UUID
    position: int
    kind: TrialKind
    state: TrialState
    question: Question | None
    """Null in a region check."""
    prompt: str | None
    """What a region check asks to paint."""
    left: ShownImage
    right: ShownImage | None
    """Null in a region check."""
    advice: GivenAdvice | None
    choice: Side | None
    """Null before the decision, like the times."""
    correct: bool | None
    decision_ms: float | None
    annotation_ms: float | None
    decided_at: datetime | None
    events: list[Annotated[Any, DocumentedAs(TrialEvent)]]
    strokes: list[Annotated[Any, DocumentedAs(StrokeShape)]] | None
    """In the order in which they were painted; null where nobody painted."""


class Stop(NamedTuple):
    """A trial in the row of all trials of a visit."""

    position: int
    kind: TrialKind
    correct: bool | None


def trials_of(session: Session, participant: Participant, *, after: int) -> Sequence[AnyRow]:
    """Trial, Decision or None, generator of the fake, strokes or None, interruptions; in their order.

    Those behind the position `after`, and one more than a page.
    """
    strokes = (
        select(func.count())
        .select_from(Stroke)
        .join(Annotation, Annotation.id == Stroke.annotation_id)
        .where(Annotation.decision_id == Decision.id)
        .correlate(Decision)
        .scalar_subquery()
    )
    fake = (Image.id.in_([Trial.left_image_id, Trial.right_image_id])) & (Image.label == Label.FAKE)
    return session.execute(
        select(Trial, Decision, Image.source, strokes.label("strokes"), *interruptions())
        .outerjoin(Decision, Decision.trial_id == Trial.id)
        .outerjoin(Image, fake)
        .where(Trial.participant_id == participant.id, Trial.position > after)
        .order_by(Trial.position)
        .limit(PAGE_SIZE + 1)
    ).all()


def stops_of(session: Session, participant: Participant) -> list[Stop]:
    """Every trial of a participant, in their order."""
    rows = session.execute(
        select(Trial.position, Trial.kind, Decision.correct)
        .outerjoin(Decision, Decision.trial_id == Trial.id)
        .where(Trial.participant_id == participant.id)
        .order_by(Trial.position)
    )
    return [Stop(*row) for row in rows]


def records_of(session: Session, participant: Participant, *, after: int, limit: int) -> list[TrialRecord]:
    """What was done in the trials behind the position `after`, in their order."""
    rows = session.execute(
        select(Trial, Decision, Left, Right, RegionCheck.prompt, strokes_json().label("strokes"))
        .join(Left, Left.id == Trial.left_image_id)
        .outerjoin(Right, Right.id == Trial.right_image_id)
        .outerjoin(RegionCheck, RegionCheck.id == Trial.region_check_id)
        .outerjoin(Decision, Decision.trial_id == Trial.id)
        .outerjoin(Annotation, Annotation.decision_id == Decision.id)
        .where(Trial.participant_id == participant.id, Trial.position > after)
        .order_by(Trial.position)
        .limit(limit)
    )
    return [_record(*row) for row in rows]


def record_at(session: Session, participant: Participant, position: int) -> TrialRecord:
    for record in records_of(session, participant, after=position - 1, limit=1):
        if record.position == position:
            return record
    raise NotFound("This participant has no such trial.")


def _record(
    trial: Trial,
    decision: Decision | None,
    left: Image,
    right: Image | None,
    prompt: str | None,
    strokes: list[Any] | None,
) -> TrialRecord:
    advice = trial.advice
    return TrialRecord(
        id=trial.id,
        position=trial.position,
        kind=trial.kind,
        state=trial.state,
        question=trial.question,
        prompt=prompt,
        left=_shown(left),
        right=None if right is None else _shown(right),
        advice=advice and GivenAdvice(decision=advice["decision"], confidence=advice["confidence"]),
        choice=decision and decision.choice,
        correct=decision and decision.correct,
        decision_ms=decision and decision.decision_ms,
        annotation_ms=decision and decision.annotation_ms,
        decided_at=decision and decision.decided_at,
        events=decision.events if decision else [],
        strokes=strokes,
    )


def _shown(image: Image) -> ShownImage:
    return ShownImage(
        image_id=image.id, width=image.width, height=image.height, label=image.label, source=image.source
    )
