"""Who is asking, and what the application holds for everybody."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy import select
from sqlalchemy.orm import defer

from app.db import Db
from app.errors import NotAllowed, NotAParticipant, NotLoggedIn
from app.models import (
    Arm,
    Participant,
    ParticipantState,
    ParticipantToken,
    Role,
    Staff,
    StaffSession,
    Study,
)
from app.security import token_hash
from app.settings import Settings
from app.storage import BlobStore

SESSION_COOKIE: Final = "cyborg_session"


async def get_settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def get_blobs(request: Request) -> BlobStore:
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


@dataclass(frozen=True, slots=True)
class Visit:
    """A participant with the study and the arm that they are in."""

    participant: Participant
    study: Study
    arm: Arm


def visited(request: Request, db: Db) -> Visit:
    """Whose bearer token this is; a token reaches its own trials and nothing else."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    found = db.execute(
        select(Participant, Study, Arm)
        .join(ParticipantToken, ParticipantToken.participant_id == Participant.id)
        .join(Study, Study.id == Participant.study_id)
        .join(Arm, Arm.id == Participant.arm_id)
        .where(ParticipantToken.token_hash == token_hash(token))
        .options(defer(Study.spec), defer(Study.consent), defer(Study.instructions), defer(Study.debrief))
    ).first()
    if scheme.lower() != "bearer" or found is None:
        raise NotAParticipant
    return Visit(*found)


AnyVisit = Annotated[Visit, Depends(visited)]


# Asynchronous, because what does not wait needs no thread, and handing over to one costs more than this does.
async def visiting(visit: AnyVisit) -> Visit:
    """A visit that was not withdrawn from."""
    if visit.participant.state is ParticipantState.WITHDRAWN:
        raise NotAParticipant
    return visit


CurrentVisit = Annotated[Visit, Depends(visiting)]
