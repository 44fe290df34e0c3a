"""Images, studies, arms, pairs, and how many judgements each still wants."""

import enum
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Json, Now, closed_set


class Label(enum.StrEnum):
    REAL = "real"
    FAKE = "fake"


class Split(enum.StrEnum):
    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Image(Base):
    """A face. Its pixels live in two blobs: `content_hash` (PNG, for maps and training) and
    `display_hash` (JPEG, what participants see)."""

    __tablename__ = "image"

    id: Mapped[Id]
    content_hash: Mapped[str] = mapped_column(unique=True)
    display_hash: Mapped[str]
    display_bytes: Mapped[int]
    label: Mapped[Label] = mapped_column(closed_set(Label, "label"))
    source: Mapped[str]
    split: Mapped[Split | None] = mapped_column(closed_set(Split, "split"))
    group: Mapped[str | None]
    """Near-duplicates and pictures of one identity share a group and stay in one split."""
    width: Mapped[int]
    height: Mapped[int]
    face_x: Mapped[float | None]
    face_y: Mapped[float | None]
    face_width: Mapped[float | None]
    face_height: Mapped[float | None]
    original_name: Mapped[str]
    generated: Mapped[bool] = mapped_column(default=False)
    """Drawn by code for a demonstration; nobody's face."""
    imported_at: Mapped[Now]

    __table_args__ = (
        CheckConstraint("width > 0 AND height > 0", name="size_positive"),
        CheckConstraint(
            "num_nulls(face_x, face_y, face_width, face_height) IN (0, 4)", name="face_box_whole"
        ),
        Index("ix__image__label_source", "label", "source"),
    )


class StudyState(enum.StrEnum):
    DRAFT = "draft"
    OPEN = "open"  # draft | paused -> open
    PAUSED = "paused"  # open -> paused: who is in may finish, nobody new
    CLOSED = "closed"  # open | paused -> closed, for good


class Study(Base):
    __tablename__ = "study"

    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    state: Mapped[StudyState] = mapped_column(closed_set(StudyState, "state"), default=StudyState.DRAFT)
    trials_per_participant: Mapped[int]
    judgements: Mapped[int]
    """Wanted for each (pair, question) in each arm."""
    min_strokes: Mapped[int] = mapped_column(default=1)
    lease: Mapped[timedelta]
    consent: Mapped[str]
    """Markdown."""
    consent_version: Mapped[str]
    instructions: Mapped[str]
    """Markdown."""
    completion_url: Mapped[str | None]
    """Where a finished participant is sent back to, for example Prolific's completion link."""
    accepts_simulated: Mapped[bool] = mapped_column(default=False)
    spec: Mapped[Json]
    """The description as given."""
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Now]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("trials_per_participant > 0 AND judgements > 0", name="counts_positive"),
        CheckConstraint("min_strokes >= 0", name="min_strokes_not_negative"),
    )


class Advice(enum.StrEnum):
    NONE = "none"
    DECISION = "decision"
    SALIENCY = "saliency"
    BOTH = "both"


class Arm(Base):
    __tablename__ = "arm"

    id: Mapped[Id]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    name: Mapped[str]
    annotate: Mapped[bool]
    advice: Mapped[Advice] = mapped_column(closed_set(Advice, "advice"), default=Advice.NONE)

    __table_args__ = (UniqueConstraint("study_id", "name"),)


class Pair(Base):
    """One real and one fake image of one size. Both are served padded to the same number of bytes."""

    __tablename__ = "pair"

    id: Mapped[Id]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    real_image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    fake_image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    served_bytes: Mapped[int]

    __table_args__ = (UniqueConstraint("study_id", "real_image_id", "fake_image_id"),)


class Question(enum.StrEnum):
    REAL = "real"  # "which one is real?"
    FAKE = "fake"


class Quota(Base):
    """How many judgements of one (arm, pair, question) are wanted and how many are taken.

    Taken = decided, or held for a participant whose lease runs. Whoever changes `taken` holds the
    lock on the study's row; the check constraint has the last word.
    """

    __tablename__ = "quota"

    arm_id: Mapped[int] = mapped_column(ForeignKey("arm.id", ondelete="CASCADE"), primary_key=True)
    pair_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("pair.id", ondelete="CASCADE"), primary_key=True
    )
    question: Mapped[Question] = mapped_column(closed_set(Question, "question"), primary_key=True)
    wanted: Mapped[int]
    taken: Mapped[int] = mapped_column(default=0)

    __table_args__ = (
        CheckConstraint("taken BETWEEN 0 AND wanted", name="taken_within_wanted"),
        Index("ix__quota__arm_id_question_taken", "arm_id", "question", "taken"),
    )
