"""Who is asking, and what the application holds for everybody."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy import select

from app.db import Db
from app.errors import NotAllowed, NotAParticipant, NotLoggedIn
from app.models import Participant, ParticipantState, ParticipantToken, Role, Staff, StaffSession
from app.security import token_hash
from app.settings import Settings
from app.storage import BlobStore

SESSION_COOKIE: Final = "cyborg_session"


def get_settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def get_blobs(request: Request) -> BlobStore:
    blobs: BlobStore = request.app.state.blobs
    return blobs


Config = Annotated[Settings, Depends(get_settings)]
Blobs = Annotated[BlobStore, Depends(get_blobs)]


def logged_in(request: Request, db: Db) -> Staff:
    """The staff member whose session cookie this is."""
    staff = db.scalar(
        select(Staff)
        .join(StaffSession, StaffSession.staff_id == Staff.id)
        .where(
            StaffSession.token_hash == token_hash(request.cookies.get(SESSION_COOKIE, "")),
            StaffSession.expires_at > datetime.now(UTC),
            Staff.disabled_at.is_(None),
        )
    )
    if staff is None:
        raise NotLoggedIn
    request.state.staff = staff
    return staff


CurrentStaff = Annotated[Staff, Depends(logged_in)]


def role_of(*allowed: Role) -> Callable[[Staff], Staff]:
    def require(staff: CurrentStaff) -> Staff:
        if staff.role not in allowed:
            raise NotAllowed(f"This needs the role {' or '.join(allowed)}; yours is {staff.role}.")
        return staff

    return require


Editor = Annotated[Staff, Depends(role_of(Role.ADMIN, Role.EDITOR))]
Admin = Annotated[Staff, Depends(role_of(Role.ADMIN))]


def participating(request: Request, db: Db) -> Participant:
    """The participant whose bearer token this is; a token reaches its own trials and nothing else."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    participant = db.scalar(
        select(Participant)
        .join(ParticipantToken, ParticipantToken.participant_id == Participant.id)
        .where(
            ParticipantToken.token_hash == token_hash(token),
            Participant.state != ParticipantState.WITHDRAWN,
        )
    )
    if scheme.lower() != "bearer" or participant is None:
        raise NotAParticipant
    return participant


CurrentParticipant = Annotated[Participant, Depends(participating)]
