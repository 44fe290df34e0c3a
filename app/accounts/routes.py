"""Login, logout, one's own account."""

import re
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from sqlalchemy.orm import Session

from app.accounts import attempts, second_factor, service
from app.accounts.schemas import Credentials, PasswordChange
from app.audit import recording as audit
from app.db import SessionFactory
from app.deps import SESSION_COOKIE, Config, Db, InPerson, actor_of, identified, remote_address
from app.errors import AppError, BadInput, NotLoggedIn
from app.forms import Fields
from app.models import Staff
from app.settings import Settings
from app.web import page

router: Final = APIRouter(include_in_schema=False)

HOME: Final = "/staff"
ACCOUNT: Final = "/staff/account"
CODE_TIME: Final = timedelta(minutes=5)
"""Between the password and the code of the second factor."""

# One slash, then no second slash or backslash: browsers read both as another host.
LOCAL_PATH: Final = re.compile(r"/(?![/\\])[^\x00-\x1f\\]*")


def local(path: str) -> str:
    """`path` if it stays on this site, else the staff home."""
    return path if LOCAL_PATH.fullmatch(path) else HOME


def see_other(path: str) -> RedirectResponse:
    """After a form: the browser goes to `path` with GET."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


@router.get("/login")
def login_form(request: Request, db: Db, next: str = HOME) -> Response:  # noqa: A002
    try:
        identified(request, db)
    except NotLoggedIn:
        return page(request, "staff/login.html", next=local(next), email="", error=None)
    return see_other(local(next))


@router.post("/login", name="account.login")
def login(request: Request, config: Config, form: Annotated[Credentials, Form()]) -> Response:
    """Counted in a transaction of its own, so that every other try knows of it while this one is checked."""
    address = remote_address(request)
    who = form.email.strip().lower(), address
    sessions: SessionFactory = request.app.state.session_factory
    with sessions.begin() as db:
        attempts.count(db, attempts.ATTEMPTS, address)
        attempts.count(db, attempts.GUESSES, *who)
    with sessions.begin() as db:
        staff = service.authenticate(db, email=form.email, password=form.password)
        if staff is None:
            note_refusal(request, db, service.account_of(db, form.email), "a wrong e-mail or password")
            return wrong_credentials(request, form)
        attempts.give_back(db, attempts.GUESSES, *who)
        return let_in(request, db, config, staff, next_path=local(form.next), how="a password")


def wrong_credentials(request: Request, form: Credentials) -> HTMLResponse:
    """The form again; it does not say which of the two was wrong."""
    context = {"next": local(form.next), "email": form.email, "error": "E-mail or password is not right."}
    return page(request, "staff/login.html", status=HTTPStatus.UNAUTHORIZED, **context)


def let_in(
    request: Request, db: Session, config: Settings, staff: Staff, *, next_path: str, how: str
) -> Response:
    """To the page that was wanted, or first to the one that asks for the code of the second factor."""
    if second_factor.has_factor(db, staff):
        note_login(request, db, staff, f"{how} was right, and a code is asked for")
        token = service.open_session(db, staff, lifetime=CODE_TIME, awaits_code=True)
        return welcomed(see_other(f"/login/code?next={quote(next_path)}"), token, CODE_TIME, config)
    return logged_in_by(request, db, config, staff, next_path=next_path, how=how)


def logged_in_by(
    request: Request, db: Session, config: Settings, staff: Staff, *, next_path: str, how: str
) -> Response:
    note_login(request, db, staff, f"logged in with {how}")
    token = service.open_session(db, staff, lifetime=config.session_lifetime)
    return welcomed(see_other(next_path), token, config.session_lifetime, config)


def note_login(request: Request, db: Session, staff: Staff, what: str) -> None:
    db.flush()  # what the login itself changes is not what the entry is about
    audit.watch(db, actor_of(request, staff))
    audit.note(db, what)


def note_refusal(request: Request, db: Session, staff: Staff | None, why: str) -> None:
    """Whose account was tried, and from where. What was typed is not written down: it may be a password."""
    actor = actor_of(request, staff)
    audit.watch(db, actor)
    audit.note(db, f"refused: {why}")


@router.get("/login/code")
def code_form(request: Request, db: Db, next: str = HOME) -> Response:  # noqa: A002
    try:
        service.awaiting_code(db, request.cookies.get(SESSION_COOKIE, ""))
    except NotLoggedIn:
        return see_other("/login")
    return page(request, "staff/login_code.html", next=local(next), error=None)


@router.post("/login/code", name="account.login")
def check_code(
    request: Request,
    config: Config,
    code: Annotated[str, Form(max_length=40)] = "",
    next: Annotated[str, Form()] = HOME,  # noqa: A002
) -> Response:
    """Counted before it is looked at, as passwords are. The login gets a new token."""
    sessions: SessionFactory = request.app.state.session_factory
    waiting = request.cookies.get(SESSION_COOKIE, "")
    with sessions.begin() as db:
        second_factor.count_try(db, service.awaiting_code(db, waiting))
    with sessions.begin() as db:
        staff = service.awaiting_code(db, waiting)
        if not second_factor.spend(db, staff, code, config):
            note_refusal(request, db, staff, "a wrong code")
            context = {"next": local(next), "error": second_factor.WRONG}
            return page(request, "staff/login_code.html", status=HTTPStatus.UNAUTHORIZED, **context)
        attempts.give_back(db, attempts.CODES, str(staff.id))
        service.close_session(db, waiting)
        return logged_in_by(request, db, config, staff, next_path=local(next), how="a code")


def welcomed(response: Response, token: str, lifetime: timedelta, config: Settings) -> Response:
    """The response with the session cookie on it."""
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(lifetime.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=config.secure_cookies,
    )
    return response


@router.get("/login/link/{token}")
def link_page(request: Request, db: Db, token: str) -> HTMLResponse:
    """Previews of mail and chat programs fetch links; only the button's POST spends this one."""
    return page(request, "staff/login_link.html", owner=service.link_owner(db, token))


@router.post("/login/link/{token}", name="account.login")
def follow_link(request: Request, db: Db, config: Config, token: str) -> Response:
    staff = service.spend_link(db, token)
    return let_in(request, db, config, staff, next_path=HOME, how="a one-time link")


@router.post("/logout", name="account.logout")
def logout(request: Request, db: Db) -> Response:
    with suppress(NotLoggedIn):
        identified(request, db)
        audit.note(db, "logged out")
    service.close_session(db, request.cookies.get(SESSION_COOKIE, ""))
    response = see_other("/login")
    response.delete_cookie(SESSION_COOKIE)
    return response


class AccountAddress(Fields):
    """What the address says: whether a password has just been changed."""

    saved: bool = False


@router.get(ACCOUNT)
def account(request: Request, staff: InPerson, done: Annotated[AccountAddress, Query()]) -> HTMLResponse:
    return page(request, "staff/account.html", staff=staff, error=None, saved=done.saved)


@router.post(ACCOUNT, name="account.password")
def change_password(
    request: Request, db: Db, staff: InPerson, form: Annotated[PasswordChange, Form()]
) -> Response:
    try:
        if form.new != form.again:
            raise BadInput("The two new passwords differ.")
        attempts.count(db, attempts.GUESSES, staff.email, remote_address(request))
        keep = request.cookies[SESSION_COOKIE]
        service.change_password(db, staff, current=form.current, new=form.new, keep=keep)
    except AppError as error:
        return page(request, "staff/account.html", status=error.status, error=str(error), saved=False)
    return see_other(f"{ACCOUNT}?saved=true")
