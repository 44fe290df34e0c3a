"""Accounts, sessions and one-time links."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import Session

from app.accounts.schemas import plain_address
from app.errors import AlreadyExists, BadInput, NotFound, NotLoggedIn, WrongState
from app.models import LoginLink, Role, Staff, StaffSession
from app.security import NO_PASSWORDS_HASH, ONE_AT_A_TIME, new_token, passwords, token_hash

LINK_LIFETIME: Final = timedelta(days=2)
LIFETIMES: Final = {
    "an hour": timedelta(hours=1),
    "two days": LINK_LIFETIME,
    "a week": timedelta(days=7),
    "a month": timedelta(days=30),
}
"""How long a login link may last, in words."""
SHORTEST_PASSWORD: Final = 10  # characters
SPENT: Final = "This login link has been used or has lapsed. Ask an admin for a new one."


def add_staff(session: Session, *, email: str, name: str, role: Role, password: str | None = None) -> Staff:
    """A new account; without a password its owner comes in by a login link."""
    address = _address(email)
    if session.scalar(select(Staff.id).where(Staff.email == address)):
        raise AlreadyExists(f"{address} already has an account.")
    staff = Staff(email=address, name=name.strip() or address, role=role)
    staff.password_hash = None if password is None else hashed(password)
    session.add(staff)
    session.flush()  # for the id, and so that a double address is told here
    return staff


def _address(email: str) -> str:
    try:
        return plain_address(email.strip())
    except ValueError as error:
        raise BadInput(str(error)) from None


def hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise BadInput(f"A password needs at least {SHORTEST_PASSWORD} characters.")
    return passwords.hash(password)


def find_staff(session: Session, email: str) -> Staff:
    staff = account_of(session, email)
    if staff is None:
        raise NotFound(f"There is no account for {email.strip()}.")
    return staff


def account_of(session: Session, email: str) -> Staff | None:
    return session.scalar(select(Staff).where(Staff.email == email.strip().lower()))


def get_staff(session: Session, staff_id: int) -> Staff:
    staff = session.get(Staff, staff_id)
    if staff is None:
        raise NotFound("There is no such account.")
    return staff


def authenticate(session: Session, *, email: str, password: str) -> Staff | None:
    """Whose e-mail and password these are; None, after the same time, when nobody's."""
    staff = session.scalar(
        select(Staff).where(Staff.email == email.strip().lower(), Staff.disabled_at.is_(None))
    )
    known = staff.password_hash if staff and staff.password_hash else None
    with ONE_AT_A_TIME:
        matches, renewed = passwords.verify_and_update(password, known or NO_PASSWORDS_HASH)
    if staff is None or known is None or not matches:
        return None
    staff.password_hash = renewed or known
    return staff


def open_session(session: Session, staff: Staff, *, lifetime: timedelta, awaits_code: bool = False) -> str:
    """Log `staff` in; returns the token for the cookie. Forgets that person's lapsed sessions.

    awaits_code : it opens nothing but the page that asks for the code of the second factor
    """
    now = datetime.now(UTC)
    session.execute(
        delete(StaffSession).where(StaffSession.staff_id == staff.id, StaffSession.expires_at < now)
    )
    token = new_token()
    session.add(
        StaffSession(
            token_hash=token_hash(token),
            staff_id=staff.id,
            expires_at=now + lifetime,
            awaits_code=awaits_code,
        )
    )
    return token


def awaiting_code(session: Session, token: str) -> Staff:
    """Whose password was right, and whose code is still to come; NotLoggedIn when that was too long ago."""
    staff = session.scalar(
        select(Staff)
        .join(StaffSession, StaffSession.staff_id == Staff.id)
        .where(
            StaffSession.token_hash == token_hash(token),
            StaffSession.expires_at > datetime.now(UTC),
            StaffSession.awaits_code,
            Staff.disabled_at.is_(None),
        )
    )
    if staff is None:
        raise NotLoggedIn
    return staff


def close_session(session: Session, token: str) -> None:
    session.execute(delete(StaffSession).where(StaffSession.token_hash == token_hash(token)))


def login_link(session: Session, staff: Staff, *, lifetime: timedelta = LINK_LIFETIME) -> str:
    """The path of a page that logs `staff` in once, by its button. Forgets that person's lapsed links."""
    now = datetime.now(UTC)
    session.execute(delete(LoginLink).where(LoginLink.staff_id == staff.id, LoginLink.expires_at < now))
    token = new_token()
    session.add(LoginLink(token_hash=token_hash(token), staff_id=staff.id, expires_at=now + lifetime))
    return f"/login/link/{token}"


def open_links(session: Session) -> dict[int, datetime]:
    """Until when somebody has a login link that was not used, by the number of their account."""
    query = (
        select(LoginLink.staff_id, func.max(LoginLink.expires_at))
        .where(LoginLink.expires_at > datetime.now(UTC))
        .group_by(LoginLink.staff_id)
    )
    return {staff_id: until for staff_id, until in session.execute(query)}  # noqa: C416


def withdraw_links(session: Session, staff: Staff) -> None:
    """Void the links that were sent to somebody; `WrongState` where there is none."""
    if staff.id not in open_links(session):
        raise WrongState(f"{staff.name} has no login link that is still open.")
    _void_links(session, staff)


def link_owner(session: Session, token: str) -> Staff:
    """Whom an unspent link belongs to; looking does not spend it."""
    staff = session.scalar(
        select(Staff)
        .join(LoginLink, LoginLink.staff_id == Staff.id)
        .where(_unspent(token), Staff.disabled_at.is_(None))
    )
    if staff is None:
        raise NotFound(SPENT)
    return staff


def spend_link(session: Session, token: str) -> Staff:
    """Use up a link and forget the password, which may be why it was asked for; of two uses at once one
    gets `NotFound`. Every other link of that person is void with it."""
    staff = link_owner(session, token)
    session.refresh(staff, with_for_update=True)  # two links of one person, used at once, come one by one
    if session.scalar(select(LoginLink.token_hash).where(_unspent(token))) is None:
        raise NotFound(SPENT)
    _void_links(session, staff)
    staff.password_hash = None
    return staff


def _void_links(session: Session, staff: Staff) -> None:
    """Whoever finds an old link in a mailbox gets in by none of them."""
    session.execute(delete(LoginLink).where(LoginLink.staff_id == staff.id))


def _unspent(token: str) -> ColumnElement[bool]:
    return and_(LoginLink.token_hash == token_hash(token), LoginLink.expires_at > datetime.now(UTC))


def change_password(session: Session, staff: Staff, *, current: str, new: str, keep: str) -> None:
    """Set a new password, end every other login of `staff`, and void their links; `keep` is the token of
    this one.

    Somebody who came by a link and has no password yet needs no current one.
    """
    if staff.password_hash and not passwords.verify(current, staff.password_hash):
        raise BadInput("The current password is not right.")
    staff.password_hash = hashed(new)
    session.execute(
        delete(StaffSession).where(
            StaffSession.staff_id == staff.id, StaffSession.token_hash != token_hash(keep)
        )
    )
    _void_links(session, staff)


def change_role(session: Session, staff: Staff, role: Role, *, by: Staff) -> None:
    """What a link was sent for is not what it opens now: a new role needs a new link."""
    if staff.id == by.id:
        raise WrongState("You cannot change your own role; ask another admin.")
    staff.role = role
    _void_links(session, staff)


def disable(session: Session, staff: Staff, *, by: Staff) -> None:
    """Lock `staff` out at once. Nobody locks themselves out, so there is always an admin left."""
    if staff.id == by.id:
        raise WrongState("You cannot disable your own account; ask another admin.")
    staff.disabled_at = datetime.now(UTC)
    session.execute(delete(StaffSession).where(StaffSession.staff_id == staff.id))
    _void_links(session, staff)


def enable(staff: Staff) -> None:
    staff.disabled_at = None
