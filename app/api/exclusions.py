"""Whom a study's rules exclude."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter
from sqlalchemy.orm import Session

from app.deps import CurrentStaff, Db, Editor
from app.messages import Answer, Body
from app.models import Study
from app.quality.exclusions import ArmEffect, count_again, effect_of, exclude, excluded_in
from app.studies.service import find_study

router: Final = APIRouter(prefix="/api/studies/{slug}/exclusions", tags=["participants"])


class CandidateView(Answer):
    """Somebody whom the rules exclude, and why."""

    participant: UUID
    arm: str
    judgements: int
    reasons: list[str]


class ExcludedView(Answer):
    """Somebody who is excluded, and why they were."""

    participant: UUID
    arm: str
    excluded_at: datetime
    reasons: list[str]


class ShareView(Answer):
    """Judgements, and the share of them that is correct with its 95 % Wilson interval; null without one."""

    participants: int
    judgements: int
    correct: float | None
    interval: tuple[float, float] | None


class ArmEffectView(Answer):
    """What an arm has now, and would have without the candidates."""

    arm: str
    simulated: bool
    before: ShareView
    after: ShareView


class ExclusionsView(Answer):
    """The rules, whom they exclude now, what that would change, and who is excluded already."""

    rules: dict[str, Any] | None
    """Null: the study has none."""
    candidates: list[CandidateView]
    effect: list[ArmEffectView]
    seen: str
    """Sent back with `POST`, it says which candidates were looked at."""
    excluded: list[ExcludedView]


class Apply(Body):
    """Exclude the candidates."""

    seen: str


class Undo(Body):
    """Count participants again."""

    participants: list[UUID] | None = None
    """All who are excluded, if left out."""


@router.get("")
def exclusions(db: Db, _staff: CurrentStaff, slug: str) -> ExclusionsView:
    """Whom the rules exclude, before it is done, and who is excluded."""
    return view(db, find_study(db, slug))


@router.post("")
def apply(db: Db, _editor: Editor, slug: str, body: Apply) -> ExclusionsView:
    """Exclude the candidates that were looked at; their places go to others, and nothing is deleted."""
    study = find_study(db, slug)
    exclude(db, study, seen=body.seen)
    return view(db, study)


@router.post("/undo")
def undo(db: Db, _editor: Editor, slug: str, body: Undo) -> ExclusionsView:
    """Count excluded participants again."""
    study = find_study(db, slug)
    count_again(db, study, body.participants)
    return view(db, study)


def view(db: Session, study: Study) -> ExclusionsView:
    effect = effect_of(db, study)
    return ExclusionsView(
        rules=effect.rules.model_dump(mode="json") if effect.rules else None,
        candidates=[
            CandidateView(
                participant=one.participant_id,
                arm=one.arm,
                judgements=one.judgements.total,
                reasons=[reason.sentence for reason in one.reasons],
            )
            for one in effect.candidates
        ],
        effect=[_effect(one) for one in effect.arms],
        seen=effect.seen,
        excluded=[
            ExcludedView(
                participant=one.participant_id,
                arm=one.arm,
                excluded_at=one.excluded_at,
                reasons=one.sentences,
            )
            for one in excluded_in(db, study)
        ],
    )


def _effect(one: ArmEffect) -> ArmEffectView:
    before, after = (
        ShareView(
            participants=people,
            judgements=share.total,
            correct=share.rate if share.total else None,
            interval=share.interval if share.total else None,
        )
        for people, share in ((one.participants, one.before), (one.participants_after, one.after))
    )
    return ArmEffectView(arm=one.arm, simulated=one.simulated, before=before, after=after)
