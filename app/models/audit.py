"""Who changed what, and when."""

import enum
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, closed_set


class Channel(enum.StrEnum):
    PAGE = "page"  # a browser, logged in
    TOKEN = "token"  # noqa: S105 - a program, by an API token
    COMMAND = "command"  # the command line of the server


class AuditEntry(Base):
    """One transaction of a person in which something changed. A trigger refuses every change of a row.

    No foreign keys: an entry stays as it is, whatever becomes of what it is about.
    """

    __tablename__ = "audit_entry"

    id: Mapped[Id]
    at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.clock_timestamp(), index=True
    )
    staff_id: Mapped[int | None] = mapped_column(BigInteger, index=True)
    """None on the command line."""
    who: Mapped[str]
    """E-mail of the staff member, or the account of the operating system and its machine."""
    channel: Mapped[Channel] = mapped_column(closed_set(Channel, "channel"))
    through: Mapped[str | None]
    """The name of the API token."""
    action: Mapped[str]
    """What was asked for, for example `study.open`."""
    subject: Mapped[str]
    """What it was done to, for example `study faces`."""
    changes: Mapped[list[Any]] = mapped_column(JSONB)
    """One line for each row that changed: what it was before and is now."""
    address: Mapped[str]
    """IP address of the request; empty on the command line."""
    request_id: Mapped[str]
    """That of the log and of the answer's header `X-Request-ID`; empty on the command line."""
