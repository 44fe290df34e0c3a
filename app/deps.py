"""Dependencies of routes: the transaction, the settings, the store, and who is asking."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, defer

from app.audit.recording import Actor, action_of, request_id, subject_of, watch
from app.db import SessionFactory
from app.errors import NotAllowed, NotAParticipant, NotLoggedIn
from app.models import (
    Arm,
    Channel,
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
from app.web import SAFE_METHODS

SESSION_COOKIE: Final = "cyborg_session"


def unit_of_work(request: Request) -> Iterator[Session]:
    with request.app.state.session_factory.begin() as session:
        yield session


# scope="function": commit before the response leaves. By default FastAPI runs the code after `yield`
# once the client has its answer, and a failed commit would be reported as a success.
Db = Annotated[Session, Depends(unit_of_work, scope="function")]


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
    if request.method not in SAFE_METHODS:
        watch(db, actor_of(request, staff))
    return staff


def actor_of(request: Request, staff: Staff, *, through: str | None = None) -> Actor:
    """Who is asking for what, as the audit log has it."""
    route = request.scope["route"]
    return Actor(
        staff_id=staff.id,
        who=staff.email,
        channel=Channel.PAGE if through is None else Channel.TOKEN,
        through=through,
        action=route.name if "." in route.name else action_of(request.method, route.path),
        subject=subject_of(request.path_params),
        address=remote_address(request),
        request_id=request_id(),
    )


def remote_address(request: Request) -> str:
    return request.client.host if request.client else ""


CurrentStaff = Annotated[Staff, Depends(logged_in)]


def role_of(*allowed: Role) -> Callable[[Staff], Staff]:
    def require(staff: CurrentStaff) -> Staff:
        if staff.role not in allowed:
            raise NotAllowed(f"This needs the role {' or '.join(allowed)}; yours is {staff.role}.")
        return staff

    return require


Editor = Annotated[Staff, Depends(role_of(*(role for role in Role if role.may_edit)))]
Finance = Annotated[Staff, Depends(role_of(*(role for role in Role if role.may_see_payments)))]
Admin = Annotated[Staff, Depends(role_of(Role.ADMIN))]


@dataclass(frozen=True, slots=True)
class Visit:
    """A participant with the study and the arm that they are in."""

    participant: Participant
    study: Study
    arm: Arm


# Built once: building a statement costs more than sending it.
VISIT: Final = (
    select(Participant, Study, Arm)
    .join(ParticipantToken, ParticipantToken.participant_id == Participant.id)
    .join(Study, Study.id == Participant.study_id)
    .join(Arm, Arm.id == Participant.arm_id)
    .where(ParticipantToken.token_hash == bindparam("token_hash"))
    .options(defer(Study.spec), defer(Study.consent), defer(Study.instructions), defer(Study.debrief))
)


def bearer_token(authorization: str) -> str:
    """The token in a header `Authorization: Bearer …`; empty, which is nobody's, for any other."""
    scheme, _, token = authorization.partition(" ")
    return token if scheme.lower() == "bearer" else ""


@dataclass(frozen=True, slots=True)
class ParticipantSession:
    """A participant's request: the route opens it, and with it the transaction.

    FastAPI would run a dependency that holds the session in a thread of its own, before and after the route.
    Opened by the route, everything is done in one thread.
    """

    sessions: SessionFactory
    authorization: str

    @contextmanager
    def opened(self, *, withdrawn: bool = False) -> Iterator[tuple[Session, Visit]]:
        """The participant of the bearer token, in one transaction that is committed at the end.

        withdrawn : accept a participant who has withdrawn, too
        `NotAParticipant`: the token belongs to nobody, or to somebody who has withdrawn
        """
        token = bearer_token(self.authorization)
        with self.sessions.begin() as session:
            row = session.execute(VISIT, {"token_hash": token_hash(token)}).first()
            if row is None:
                raise NotAParticipant
            visit = Visit(*row)
            if visit.participant.state is ParticipantState.WITHDRAWN and not withdrawn:
                raise NotAParticipant
            yield session, visit


async def participant_session(request: Request) -> ParticipantSession:
    return ParticipantSession(request.app.state.session_factory, request.headers.get("authorization", ""))


AsParticipant = Annotated[ParticipantSession, Depends(participant_session)]
