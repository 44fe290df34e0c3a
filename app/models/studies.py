"""Images, studies, arms, pairs, and their quotas."""

import enum
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Json, Now, closed_set


class Label(enum.StrEnum):
    REAL = "real"
    FAKE = "fake"


class Split(enum.StrEnum):
    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class FaceOrigin(enum.StrEnum):
    FOUND = "found"
    CORRECTED = "corrected"


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
    face_origin: Mapped[FaceOrigin | None] = mapped_column(closed_set(FaceOrigin, "face_origin"))
    """Whether the program says where the face is, or staff by hand. None: the import, or nobody, says it."""
    original_name: Mapped[str]
    generated: Mapped[bool] = mapped_column(default=False)
    """Drawn by code for a demonstration: not the face of a person."""
    imported_at: Mapped[Now]
    tags: Mapped[list[Any]] = mapped_column(JSONB, default=list, server_default=text("'[]'"))
    """Words of staff, to find it again; `app.stimuli.tags`."""
    file: Mapped[Json | None]
    """What the file was that it came from: `saliency.images.file_facts`. None: not known."""

    __table_args__ = (
        CheckConstraint("width > 0 AND height > 0", name="size_positive"),
        CheckConstraint(
            "num_nulls(face_x, face_y, face_width, face_height) IN (0, 4)", name="face_box_whole"
        ),
        Index("ix__image__label_source", "label", "source"),
        Index("ix__image__tags", "tags", postgresql_using="gin"),
    )


class StudyState(enum.StrEnum):
    DRAFT = "draft"
    OPEN = "open"  # draft | paused -> open
    PAUSED = "paused"  # open -> paused: who is in may finish, nobody new
    CLOSED = "closed"  # open | paused -> closed, for good


class StudyContent:
    """What the people of a study meet, and the numbers that rule it: what a version may change."""

    title: Mapped[str]
    trials_per_participant: Mapped[int]
    judgements: Mapped[int]
    """Wanted for each (pair, question) in each arm."""
    min_strokes: Mapped[int] = mapped_column(default=1)
    min_area: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))
    max_area: Mapped[float] = mapped_column(default=1.0, server_default=text("1"))
    """Fractions of the image that the mask of an annotation may cover."""
    lease: Mapped[timedelta]
    consent: Mapped[str]
    """Markdown."""
    consent_version: Mapped[str]
    instructions: Mapped[str]
    """Markdown."""
    completion_url: Mapped[str | None]
    """Where a finished participant is sent back to, for example Prolific's completion link."""
    accepts_simulated: Mapped[bool] = mapped_column(default=False)
    debrief: Mapped[str | None]
    """Markdown, shown when the visit is over."""
    visit: Mapped[Json] = mapped_column(default=dict, server_default=text("'{}'"))
    """The steps around the main trials; `app.studies.plan` reads it."""
    spec: Mapped[Json]
    """The description as given."""


class Study(StudyContent, Base):
    """A study as newcomers meet it: in its newest version."""

    __tablename__ = "study"

    id: Mapped[Id]
    slug: Mapped[str] = mapped_column(unique=True)
    state: Mapped[StudyState] = mapped_column(closed_set(StudyState, "state"), default=StudyState.DRAFT)
    plan_hash: Mapped[str | None]
    """SHA-256 of the plan as it was when the study was first opened; None without a plan."""
    version: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """The number of the newest version; rows of `study_version` begin with the opening."""
    pilot_of: Mapped[str | None] = mapped_column(index=True)
    """The slug of the study that this one tries out; None of a study that counts."""
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Now]
    opened_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("trials_per_participant > 0 AND judgements > 0", name="counts_positive"),
        CheckConstraint("min_strokes >= 0", name="min_strokes_not_negative"),
        CheckConstraint("0 <= min_area AND min_area < max_area AND max_area <= 1", name="areas_ordered"),
        CheckConstraint("pilot_of <> slug", name="pilots_another"),
    )

    @property
    def is_pilot(self) -> bool:
        """Whether what it collects counts in no other study, dataset or training."""
        return self.pilot_of is not None


class StudyVersion(StudyContent, Base):
    """What a study said from one change to the next. Whoever began in a version stays in it to the end."""

    __tablename__ = "study_version"

    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str]
    """Why it was made, in the words of whoever did."""
    made_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[Now]


class DraftSave(Base):
    """What a draft said when somebody saved it; the last one is what it says now, or said when it opened."""

    __tablename__ = "draft_save"

    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    spec: Mapped[Json]
    """The description."""
    restored: Mapped[int | None]
    """The number of the save that this one brought back; None of a change."""
    made_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[Now]

    __table_args__ = (CheckConstraint("restored < number", name="restores_an_earlier_one"),)


def is_pilot(study_id: int) -> ColumnElement[bool]:
    """Whether a study is a pilot, as a column of a query about it."""
    return select(Study.pilot_of.is_not(None)).where(Study.id == study_id).scalar_subquery()


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


class TrialKind(enum.StrEnum):
    PRACTICE = "practice"  # with feedback; counts nowhere
    MAIN = "main"  # a judgement
    CHECK = "check"  # an obvious pair or a region to paint; tells who pays attention


class Pair(Base):
    """One real and one fake image of one size. Both are served padded to the same number of bytes.

    Every participant meets every pair of kind practice and check; quotas are for main pairs alone.
    """

    __tablename__ = "pair"

    id: Mapped[Id]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    real_image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    fake_image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    served_bytes: Mapped[int]
    kind: Mapped[TrialKind] = mapped_column(
        closed_set(TrialKind, "kind"), default=TrialKind.MAIN, server_default=text("'main'")
    )

    __table_args__ = (UniqueConstraint("study_id", "real_image_id", "fake_image_id"),)


class RegionCheck(Base):
    """A region of one image that participants are asked to paint, to see whether they read the prompt."""

    __tablename__ = "region_check"

    id: Mapped[Id]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), index=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"))
    prompt: Mapped[str]
    region: Mapped[list[Any]] = mapped_column(JSONB)
    """Corners of a polygon, [[x, y], …] in image pixels."""
    min_iou: Mapped[float]
    served_bytes: Mapped[int]


class ImageAdvice(Base):
    """A model's decision and heat map of an image, for the arms that show them."""

    __tablename__ = "image_advice"

    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("image.id"), primary_key=True)
    score: Mapped[float]
    """Probability that the image is fake."""
    map_hash: Mapped[str | None]
    """Blob of the heat map, a PNG with transparency of the image's size."""
    map_bytes: Mapped[int | None]

    __table_args__ = (CheckConstraint("score BETWEEN 0 AND 1", name="score_is_a_probability"),)


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
