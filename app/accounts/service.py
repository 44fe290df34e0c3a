"""Accounts, sessions and one-time links."""

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.orm import Session

from app.accounts.schemas import plain_address
from app.errors import AlreadyExists, BadInput, NotFound, WrongState
from app.models import LoginLink, Role, Staff, StaffSession
from app.security import NO_PASSWORDS_HASH, ONE_AT_A_TIME, new_token, passwords, token_hash

LINK_LIFETIME: Final = timedelta(days=2)
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
    session.flush()  # gives it an id, and raises here when the address is taken
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
    staff = session.scalar(select(Staff).where(Staff.email == email.strip().lower()))
    if staff is None:
        raise NotFound(f"There is no account for {email.strip()}.")
    return staff


def get_staff(session: Session, staff_id: int) -> Staff:
    staff = session.get(Staff, staff_id)
    if staff is None:
        raise NotFound("There is no such account.")
    return staff


def authenticate(session: Session, *, email: str, password: str) -> Staff | None:
    """The account with this e-mail and password; None, after the same time, when they fit none."""
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


def open_session(session: Session, staff: Staff, *, lifetime: timedelta) -> str:
    """Log `staff` in; returns the token for the cookie. Forgets that person's lapsed sessions."""
    now = datetime.now(UTC)
    session.execute(
        delete(StaffSession).where(StaffSession.staff_id == staff.id, StaffSession.expires_at < now)
    )
    token = new_token()
    session.add(StaffSession(token_hash=token_hash(token), staff_id=staff.id, expires_at=now + lifetime))
    return token


def close_session(session: Session, token: str) -> None:
    session.execute(delete(StaffSession).where(StaffSession.token_hash == token_hash(token)))


def login_link(session: Session, staff: Staff, *, lifetime: timedelta = LINK_LIFETIME) -> str:
    """The path of a page that logs `staff` in once, by its button. Forgets that person's lapsed links."""
    now = datetime.now(UTC)
    session.execute(delete(LoginLink).where(LoginLink.staff_id == staff.id, LoginLink.expires_at < now))
    token = new_token()
    session.add(LoginLink(token_hash=token_hash(token), staff_id=staff.id, expires_at=now + lifetime))
    return f"/login/link/{token}"


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
    """Use a login link: the account's links and its password are deleted; returns the account.

    The password goes, because a forgotten one may be why the link was requested. Of two uses at once one gets
    `NotFound`.
    """
    staff = link_owner(session, token)
    session.refresh(staff, with_for_update=True)  # two links of one person, used at once, take turns
    if session.scalar(select(LoginLink.token_hash).where(_unspent(token))) is None:
        raise NotFound(SPENT)
    _void_links(session, staff)
    staff.password_hash = None
    return staff


def _void_links(session: Session, staff: Staff) -> None:
    """Delete all login links of an account, so that an old link in a mailbox opens nothing."""
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
    """Change a role; login links that were sent for the old role are deleted."""
    if staff.id == by.id:
        raise WrongState("You cannot change your own role; ask another admin.")
    staff.role = role
    _void_links(session, staff)


def disable(session: Session, staff: Staff, *, by: Staff) -> None:
    """Disable an account and end its sessions. Nobody can disable their own, so one admin always remains."""
    if staff.id == by.id:
        raise WrongState("You cannot disable your own account; ask another admin.")
    staff.disabled_at = datetime.now(UTC)
    session.execute(delete(StaffSession).where(StaffSession.staff_id == staff.id))
    _void_links(session, staff)


def enable(staff: Staff) -> None:
    staff.disabled_at = None
