"""Dependencies of routes: the transaction, the settings, the store, and who is asking."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy import ColumnElement, bindparam, func, or_, select, update
from sqlalchemy.orm import Session, defer

from app.audit.recording import Actor, action_of, note, request_id, subject_of, watch
from app.db import SessionFactory
from app.errors import NotAllowed, NotAParticipant, NotLoggedIn, SecondFactorMissing
from app.models import (
    ApiToken,
    Arm,
    Channel,
    Participant,
    ParticipantState,
    ParticipantToken,
    Role,
    SecondFactor,
    Staff,
    StaffSession,
    Study,
    StudyContent,
    StudyVersion,
    TokenScope,
)
from app.security import token_hash
from app.settings import Settings
from app.storage import BlobStore
from app.web import SAFE_METHODS

BROWSERS_ONLY: Final = "No API token may do this; log in with a browser."
NO_ACCOUNT: Final = "nobody with an account"
"""Who it was, in the audit log."""
SESSION_COOKIE: Final = "cyborg_session"


def unit_of_work(request: Request) -> Iterator[Session]:
    """One transaction, committed when the route is done; rolled back when it raises.

    A route that asks a marketplace commits first: no transaction is open and no connection held meanwhile.
    """
    with request.app.state.session_factory() as session:
        yield session
        session.commit()


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


def identified(request: Request, db: Db) -> Staff:
    """The staff member whose session cookie this is, or whose API token; perhaps without the second factor
    that their role needs.

    A request with an `Authorization` header is judged by that alone: its cookie does not count.
    """
    token = None
    if "authorization" in request.headers:
        token, staff = api_token(db, bearer_token(request.headers["authorization"]))
    else:
        staff = session_owner(request, db)
    request.state.staff, request.state.api_token = staff, token
    if request.method not in SAFE_METHODS:
        if token is not None and not token.scopes:
            raise NotAllowed("This API token may only read.")
        watch(db, actor_of(request, staff, through=token.name if token else None))
    return staff


def logged_in(db: Db, config: Config, staff: Annotated[Staff, Depends(identified)]) -> Staff:
    """Who is asking, with a second factor where their role needs one."""
    if second_factor_is_due(db, config, staff):
        raise SecondFactorMissing
    return staff


def second_factor_is_due(db: Session, config: Settings, staff: Staff) -> bool:
    """Whether somebody has to set up a second factor before they may do anything else."""
    if staff.role not in config.second_factor_for.split():
        return False
    factor = db.get(SecondFactor, staff.id)
    return factor is None or factor.confirmed_at is None


def session_owner(request: Request, db: Db) -> Staff:
    """The staff member whose session cookie this is."""
    mine = StaffSession.token_hash == token_hash(request.cookies.get(SESSION_COOKIE, ""))
    staff = db.scalar(
        select(Staff).join(StaffSession, StaffSession.staff_id == Staff.id).where(mine, *_is_open())
    )
    if staff is None:
        raise NotLoggedIn
    return staff


def _is_open() -> tuple[ColumnElement[bool], ...]:
    """Of a login joined with its owner."""
    return (
        StaffSession.expires_at > datetime.now(UTC),
        StaffSession.awaits_code.is_(False),
        Staff.disabled_at.is_(None),
    )


def open_sessions(db: Session, config: Settings, token_hashes: Collection[str]) -> dict[str, Role]:
    """The role of the owner of each login that opens pages; those that open none are missing."""
    rows = db.execute(
        select(StaffSession.token_hash, Staff.role, SecondFactor.confirmed_at)
        .join(Staff, Staff.id == StaffSession.staff_id)
        .outerjoin(SecondFactor, SecondFactor.staff_id == Staff.id)
        .where(StaffSession.token_hash.in_(token_hashes), *_is_open())
    )
    needed = config.second_factor_for.split()
    return {login: role for login, role, confirmed_at in rows if role not in needed or confirmed_at}


def sees_totals(request: Request, staff: Staff) -> bool:
    """Whether somebody may see what a study has cost; a token that may only read sees it not."""
    token: ApiToken | None = request.state.api_token
    if token is not None and not token.scopes:
        return False
    return staff.role.may_edit or staff.role.may_see_payments


def api_token(db: Session, token: str) -> tuple[ApiToken, Staff]:
    """The token as it is stored, and its owner; NotLoggedIn for one that is unknown, expired or revoked."""
    found = db.execute(
        select(ApiToken, Staff)
        .join(Staff, Staff.id == ApiToken.staff_id)
        .where(
            ApiToken.token_hash == token_hash(token),
            ApiToken.expires_at > datetime.now(UTC),
            ApiToken.revoked_at.is_(None),
            Staff.disabled_at.is_(None),
        )
    ).first()
    if found is None:
        raise NotLoggedIn("This API token is unknown, expired or revoked.")
    _note_use(db, found[0])
    return found[0], found[1]


def _note_use(db: Session, token: ApiToken) -> None:
    """Once a minute, and never by two requests at once: nobody waits for this row."""
    stale = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < func.now() - timedelta(minutes=1))
    free = select(ApiToken.id).where(ApiToken.id == token.id, stale).with_for_update(skip_locked=True)
    db.execute(
        update(ApiToken).where(ApiToken.id.in_(free)).values(last_used_at=func.now()),
        execution_options={"synchronize_session": False},
    )


def actor_of(request: Request, staff: Staff | None, *, through: str | None = None) -> Actor:
    """Who is asking for what, as the audit log has it; None: nobody who has an account."""
    route = request.scope["route"]
    return Actor(
        staff_id=staff.id if staff else None,
        who=staff.email if staff else NO_ACCOUNT,
        channel=Channel.PAGE if through is None else Channel.TOKEN,
        through=through,
        action=route.name if "." in route.name else action_of(request.method, route.path),
        subject=subject_of(request.path_params),
        address=remote_address(request),
        request_id=request_id(),
    )


def note_download(request: Request, session: Session, name: str) -> None:
    """A download changes nothing, and is in the audit log all the same."""
    session.flush()  # the last use of a token is not what the entry is about
    token: ApiToken | None = request.state.api_token
    watch(session, actor_of(request, request.state.staff, through=token.name if token else None))
    note(session, f"downloaded {name}")


def remote_address(request: Request) -> str:
    return request.client.host if request.client else ""


CurrentStaff = Annotated[Staff, Depends(logged_in)]


def role_of(*allowed: Role, scope: TokenScope | None) -> Callable[[Request, Staff], Staff]:
    """Require a role, and of an API token a scope; without a scope no token will do."""

    def require(request: Request, staff: CurrentStaff) -> Staff:
        if staff.role not in allowed:
            raise NotAllowed(f"This needs the role {' or '.join(allowed)}; yours is {staff.role}.")
        token: ApiToken | None = request.state.api_token
        if token is not None and scope is None:
            raise NotAllowed(BROWSERS_ONLY)
        if token is not None and scope not in token.scopes:
            raise NotAllowed(f"This needs an API token with the scope {scope}.")
        return staff

    return require


def in_person(request: Request, staff: Annotated[Staff, Depends(identified)]) -> Staff:
    if request.state.api_token is not None:
        raise NotAllowed(BROWSERS_ONLY)
    return staff


Editor = Annotated[Staff, Depends(role_of(*(role for role in Role if role.may_edit), scope=TokenScope.EDIT))]
Finance = Annotated[
    Staff, Depends(role_of(*(role for role in Role if role.may_see_payments), scope=TokenScope.PAYMENTS))
]
Admin = Annotated[Staff, Depends(role_of(Role.ADMIN, scope=None))]
Owner = Annotated[Staff, Depends(in_person)]
"""As `InPerson`, also while a second factor is still to be set up."""
InPerson = Annotated[Staff, Depends(role_of(*Role, scope=None))]
"""Anybody who has logged in with a browser: no program gives itself another token or another password."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A participant with the study and the arm that they are in."""

    participant: Participant
    study: Study
    arm: Arm
    earlier: StudyVersion | None = None
    """The version in which they began, where the study has a newer one."""

    @property
    def content(self) -> StudyContent:
        """What this participant meets."""
        return self.earlier or self.study


# Built once: building a statement costs more than sending it.
VISIT: Final = (
    select(Participant, Study, Arm, StudyVersion)
    .join(ParticipantToken, ParticipantToken.participant_id == Participant.id)
    .join(Study, Study.id == Participant.study_id)
    .join(Arm, Arm.id == Participant.arm_id)
    .outerjoin(
        StudyVersion,
        (StudyVersion.study_id == Study.id)
        & (StudyVersion.number == Participant.study_version)
        & (StudyVersion.number != Study.version),
    )
    .where(ParticipantToken.token_hash == bindparam("token_hash"))
    .options(
        *(
            defer(getattr(content, text))
            for content in (Study, StudyVersion)
            for text in ("spec", "consent", "instructions", "debrief")
        )
    )
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
