"""What participants did: trials, decisions, annotations, strokes. Never changed once written."""

import enum
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    ScalarSelect,
    UniqueConstraint,
    false,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Json, Now, closed_set
from app.models.people import Participant, ParticipantState
from app.models.studies import Question, TrialKind


class TrialState(enum.StrEnum):
    ASSIGNED = "assigned"
    DECIDED = "decided"  # assigned -> decided
    RELEASED = "released"  # assigned -> released when the lease lapses; released -> assigned on return


class Side(enum.StrEnum):
    LEFT = "left"
    RIGHT = "right"


def _given(token: str) -> Index:
    """A token that is there stands for one trial."""
    return Index(f"ix__trial__{token}", token, unique=True, postgresql_where=text(f"{token} IS NOT NULL"))


class Trial(Base):
    """One pair shown to one participant.

    A region check has one image instead of a pair, on the left, and no question.
    """

    __tablename__ = "trial"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    participant_id: Mapped[UUID] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"))
    pair_id: Mapped[int | None] = mapped_column(ForeignKey("pair.id"), index=True)
    region_check_id: Mapped[int | None] = mapped_column(ForeignKey("region_check.id"))
    question: Mapped[Question | None] = mapped_column(closed_set(Question, "question"))
    position: Mapped[int]
    kind: Mapped[TrialKind] = mapped_column(closed_set(TrialKind, "kind"), default=TrialKind.MAIN)
    state: Mapped[TrialState] = mapped_column(closed_set(TrialState, "state"), default=TrialState.ASSIGNED)
    left_image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    right_image_id: Mapped[int | None] = mapped_column(ForeignKey("image.id"))
    left_token: Mapped[str | None]
    right_token: Mapped[str | None]
    """Addresses of pictures that an earlier version gave out; newer trials have none of their own."""
    advice: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """What a model said of the pair, as this participant is shown it; None in arms without advice."""
    has_trap: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the page has a button that neither eyes, hands nor screen readers meet."""
    shown_at: Mapped[datetime | None]
    draft: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    """What the page keeps of a judgement that is not made yet, for a page on another device."""

    __table_args__ = (
        UniqueConstraint("participant_id", "pair_id"),
        UniqueConstraint("participant_id", "region_check_id"),
        CheckConstraint(
            "num_nulls(pair_id, question, right_image_id) IN (0, 3) "
            "AND num_nulls(pair_id, region_check_id) = 1",
            name="a_pair_or_a_region",
        ),
        UniqueConstraint("participant_id", "position"),
        *(_given(f"{side}_token") for side in ("left", "right")),
        # Every enrolment looks for places that lapsed; the decided trials are a hundred times as many.
        Index("ix__trial__assigned", "participant_id", postgresql_where=text("state = 'assigned'")),
        # Every overview asks where those stand who are on their way, without reading what they decided.
        Index(
            "ix__trial__undecided",
            "participant_id",
            postgresql_include=["kind", "position"],
            postgresql_where=text("state <> 'decided'"),
        ),
    )

    def image_on(self, side: Side) -> int:
        """The image shown there; a region check has its only one on either side."""
        right = self.left_image_id if self.right_image_id is None else self.right_image_id
        return self.left_image_id if side is Side.LEFT else right


def is_judgement() -> ColumnElement[bool]:
    """Of trials joined with their participants, those that count: neither practice nor checks do."""
    return (Trial.kind == TrialKind.MAIN) & is_counted()


def is_counted() -> ColumnElement[bool]:
    """Of participants, those who count: who neither withdrew nor was screened out nor excluded.

    The view `judged` of the database says the same.
    """
    left_out = (ParticipantState.WITHDRAWN, ParticipantState.SCREENED_OUT)
    return Participant.state.not_in(left_out) & Participant.excluded_at.is_(None)


INPUT_FACTS: Final = {
    "controlled": {"webdriver"},
    "trap": {"shown", "presses"},
    "scripted": {"presses", "moves", "clicks", "keys"},
    "mouse": {"presses", "moves", "path", "straight"},
    "touched": {"touch", "pen"},
    "keys": {"count", "gap_ms", "spread_ms", "held_ms"},
}
"""Events that sum up how a pair was worked, and the facts of each: whole numbers."""


class Decision(Base):
    __tablename__ = "decision"

    id: Mapped[Id]
    trial_id: Mapped[UUID] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"), unique=True)
    choice: Mapped[Side] = mapped_column(closed_set(Side, "choice"))
    chosen_image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    correct: Mapped[bool]
    """Of a region check: whether enough of the region was painted, and not too much else."""
    region_iou: Mapped[float | None]
    """Of a region check: intersection over union of the painted mask and the region."""
    decision_ms: Mapped[float]
    annotation_ms: Mapped[float | None]
    events: Mapped[list[Any]]
    body_hash: Mapped[str]
    """SHA-256 of the request, so that the same request again is recognised."""
    decided_at: Mapped[Now]

    __table_args__ = (
        CheckConstraint("decision_ms >= 0", name="decision_ms_not_negative"),
        CheckConstraint("annotation_ms >= 0", name="annotation_ms_not_negative"),
        Index("ix__decision__decided_at", "decided_at"),
    )


class Annotation(Base):
    """What a participant painted on the image they chose."""

    __tablename__ = "annotation"

    id: Mapped[Id]
    decision_id: Mapped[int] = mapped_column(ForeignKey("decision.id", ondelete="CASCADE"), unique=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), index=True)


class Tool(enum.StrEnum):
    BRUSH = "brush"
    LASSO = "lasso"
    ERASER = "eraser"


class Stroke(Base):
    __tablename__ = "stroke"

    annotation_id: Mapped[int] = mapped_column(
        ForeignKey("annotation.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    tool: Mapped[Tool] = mapped_column(closed_set(Tool, "tool"))
    radius: Mapped[float]
    points: Mapped[list[Any]] = mapped_column(JSONB)
    """[[x, y, t_ms], …] as the browser sent them."""


def stroke_json() -> ColumnElement[Any]:
    """A stroke as it travels: tool, radius, points."""
    return func.jsonb_build_object("tool", Stroke.tool, "radius", Stroke.radius, "points", Stroke.points)


def strokes_json() -> ScalarSelect[Any]:
    """Of a row with an annotation: its strokes in the order drawn; null without one."""
    return (
        select(func.jsonb_agg(stroke_json()).aggregate_order_by(Stroke.position))
        .where(Stroke.annotation_id == Annotation.id)
        .scalar_subquery()
    )


SET_ASIDE: Final = "set_aside"
"""The kind of flag by which staff leave somebody out, for reasons that no rule checks."""


class QualityFlag(Base):
    """Something about a participant's work that staff should look at; never a rejection by itself."""

    __tablename__ = "quality_flag"

    id: Mapped[Id]
    participant_id: Mapped[UUID] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"), index=True)
    trial_id: Mapped[UUID | None] = mapped_column(ForeignKey("trial.id", ondelete="CASCADE"))
    kind: Mapped[str]
    detail: Mapped[Json]
    raised_at: Mapped[Now]
