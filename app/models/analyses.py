"""What was computed of how accurate people are. Derived: may be deleted and computed again."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.background import WorkWithProgress
from app.models.base import Base, Id, Json, Now


class StudyAnalysis(WorkWithProgress, Base):
    """One analysis of a study's decisions under one set of parameters; its progress counts percent."""

    __tablename__ = "study_analysis"

    id: Mapped[Id]
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"))
    version: Mapped[int]
    parameters: Mapped[Json]
    """Whose decisions, and which quality flags leave a participant out."""
    seen: Mapped[Json]
    """Counts that change whenever a decision or a flag comes or goes; when asked for, then when read."""
    inputs_hash: Mapped[str | None]
    """SHA-256 over the decisions it was computed from."""
    result: Mapped[Json | None] = mapped_column(deferred=True)
    """`accuracy.findings.estimates.Analysis` as data."""
    figures: Mapped[list[Any] | None] = mapped_column(JSONB, deferred=True)
    """{name, title, caption, blob} in the order of the report."""
    files: Mapped[Json | None]
    """Blobs by file name: the report and the tables."""
    created_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[Now]
    built_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("study_id", "version"),)
