"""Staff, participants, and the worker ids that are kept apart from everything else."""

import enum
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Json, Now, closed_set


class Role(enum.StrEnum):
    ADMIN = "admin"  # everything, and other people's accounts
    EDITOR = "editor"  # studies, images, maps, experiments
    VIEWER = "viewer"  # looks and downloads


class Staff(Base):
    __tablename__ = "staff"

    id: Mapped[Id]
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    role: Mapped[Role] = mapped_column(closed_set(Role, "role"))
    password_hash: Mapped[str | None]
    created_at: Mapped[Now]
    disabled_at: Mapped[datetime | None]


class StaffSession(Base):
    """A login. The browser holds the token; only its SHA-256 is stored."""

    __tablename__ = "staff_session"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Now]
    expires_at: Mapped[datetime]


class LoginLink(Base):
    """A link that logs its owner in once."""

    __tablename__ = "login_link"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Source(enum.StrEnum):
    LINK = "link"  # a plain link
    MTURK = "mturk"
    PROLIFIC = "prolific"
    SIMULATED = "simulated"  # a program, never a person


class ParticipantState(enum.StrEnum):
    ACTIVE = "active"  # consented, still deciding
    FINISHED = "finished"  # active -> finished: every trial is decided
    WITHDRAWN = "withdrawn"  # active | finished -> withdrawn: raw data removed


class Participant(Base):
    """One person in one study, known by a random id."""

    __tablename__ = "participant"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"))
    arm_id: Mapped[int] = mapped_column(ForeignKey("arm.id"))
    source: Mapped[Source] = mapped_column(closed_set(Source, "source"))
    state: Mapped[ParticipantState] = mapped_column(
        closed_set(ParticipantState, "state"), default=ParticipantState.ACTIVE
    )
    consent_version: Mapped[str]
    consented_at: Mapped[Now]
    lease_expires_at: Mapped[datetime]
    """Until then the undecided trials are kept for this participant; every request renews it."""
    finished_at: Mapped[datetime | None]
    completion_code: Mapped[str | None] = mapped_column(unique=True)
    client: Mapped[Json]

    __table_args__ = (Index("ix__participant__study_id_state", "study_id", "state", "lease_expires_at"),)

    @property
    def is_simulated(self) -> bool:
        return self.source is Source.SIMULATED


class ParticipantToken(Base):
    """A browser that may act for a participant; only the SHA-256 of its token is stored."""

    __tablename__ = "participant_token"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    participant_id: Mapped[UUID] = mapped_column(ForeignKey("participant.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[Now]


class WorkerIdentity(Base):
    """Who to pay. Read by recruitment alone; never exported, never logged."""

    __tablename__ = "worker_identity"

    participant_id: Mapped[UUID] = mapped_column(
        ForeignKey("participant.id", ondelete="CASCADE"), primary_key=True
    )
    study_id: Mapped[int] = mapped_column(BigInteger)
    source: Mapped[Source] = mapped_column(closed_set(Source, "source"))
    external_id: Mapped[str]
    assignment_id: Mapped[str | None]

    __table_args__ = (UniqueConstraint("study_id", "source", "external_id"),)
