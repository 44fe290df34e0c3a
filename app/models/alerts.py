"""What staff are told while studies run."""

import enum
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Now, closed_set


class AlertKind(enum.StrEnum):
    FULL = "full"  # every judgement is decided, and the study is still open
    STALLED = "stalled"  # open, and for hours nobody came and nothing was decided
    FLAGGED = "flagged"  # many of those who finished have a quality flag
    RUN_FAILED = "run_failed"


class Alert(Base):
    """One occurrence: from when it was seen to when it was over. Of each kind a study has one at a time, of
    failed runs each run."""

    __tablename__ = "alert"

    id: Mapped[Id]
    kind: Mapped[AlertKind] = mapped_column(closed_set(AlertKind, "kind"))
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id", ondelete="CASCADE"), index=True)
    run_id: Mapped[UUID | None] = mapped_column(ForeignKey("run.id", ondelete="CASCADE"))
    text: Mapped[str]
    began_at: Mapped[Now]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "ix__alert__one_of_a_study",
            "study_id",
            "kind",
            unique=True,
            postgresql_where=sql("ended_at IS NULL AND run_id IS NULL"),
        ),
        Index("ix__alert__one_of_a_run", "run_id", unique=True, postgresql_where=sql("ended_at IS NULL")),
    )


class AlertTurn(enum.StrEnum):
    BEGAN = "began"
    ENDED = "ended"


class AlertReceiver(enum.StrEnum):
    WEBHOOK = "webhook"
    MAIL = "mail"


class AlertDelivery(Base):
    """What is told of an alert by one receiver, and whether it arrived. Holds no address and no secret."""

    __tablename__ = "alert_delivery"

    id: Mapped[Id]
    alert_id: Mapped[int] = mapped_column(ForeignKey("alert.id", ondelete="CASCADE"))
    turn: Mapped[AlertTurn] = mapped_column(closed_set(AlertTurn, "turn"))
    receiver: Mapped[AlertReceiver] = mapped_column(closed_set(AlertReceiver, "receiver"))
    job_id: Mapped[int] = mapped_column(BigInteger)
    """The job that sends it, or sent it."""
    tries: Mapped[int] = mapped_column(default=0, server_default=sql("0"))
    tried_at: Mapped[datetime | None]
    """The last time."""
    place: Mapped[str | None]
    """The server to which it went the last time."""
    error: Mapped[str | None]
    """Why it did not arrive the last time."""
    arrived_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("alert_id", "turn", "receiver"),
        Index(
            "ix__alert_delivery__failing",
            "alert_id",
            postgresql_where=sql("arrived_at IS NULL AND tries > 0"),
        ),
    )
