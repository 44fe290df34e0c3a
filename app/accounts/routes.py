"""Login, logout, one's own account."""

import re
from contextlib import suppress
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from app.accounts import attempts, service
from app.accounts.schemas import Credentials, PasswordChange
from app.audit import recording as audit
from app.db import SessionFactory
from app.deps import SESSION_COOKIE, Config, CurrentStaff, Db, actor_of, logged_in, remote_address
from app.errors import AppError, BadInput, NotLoggedIn
from app.forms import Fields
from app.models import Staff
from app.settings import Settings
from app.web import page

router: Final = APIRouter(include_in_schema=False)

HOME: Final = "/staff"
ACCOUNT: Final = "/staff/account"

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
        logged_in(request, db)
    except NotLoggedIn:
        return page(request, "staff/login.html", next=local(next), email="", error=None)
    return see_other(local(next))


@router.post("/login", name="account.login")
def login(request: Request, config: Config, form: Annotated[Credentials, Form()]) -> Response:
    """Count a try in a transaction of its own, so that others see it while this one is checked."""
    address = remote_address(request)
    who = form.email.strip().lower(), address
    sessions: SessionFactory = request.app.state.session_factory
    with sessions.begin() as db:
        attempts.count(db, attempts.ATTEMPTS, address)
        attempts.count(db, attempts.GUESSES, *who)
    with sessions.begin() as db:
        staff = service.authenticate(db, email=form.email, password=form.password)
        if staff is None:
            return wrong_credentials(request, form)
        attempts.give_back(db, attempts.GUESSES, *who)
        audit.watch(db, actor_of(request, staff))
        audit.note(db, "logged in with a password")
        return welcomed(see_other(local(form.next)), service_token(db, staff, config), config)


def wrong_credentials(request: Request, form: Credentials) -> HTMLResponse:
    """The form again; it does not say which of the two was wrong."""
    context = {"next": local(form.next), "email": form.email, "error": "E-mail or password is not right."}
    return page(request, "staff/login.html", status=HTTPStatus.UNAUTHORIZED, **context)


def service_token(db: Db, staff: Staff, config: Settings) -> str:
    return service.open_session(db, staff, lifetime=config.session_lifetime)


def welcomed(response: Response, token: str, config: Settings) -> Response:
    """The response with the session cookie on it."""
    response.set_cookie(
        SESSION_COOKIE,
        token,
        max_age=int(config.session_lifetime.total_seconds()),
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
    audit.watch(db, actor_of(request, staff))
    audit.note(db, "logged in with a one-time link")
    return welcomed(see_other(HOME), service_token(db, staff, config), config)


@router.post("/logout", name="account.logout")
def logout(request: Request, db: Db) -> Response:
    with suppress(NotLoggedIn):
        logged_in(request, db)
        audit.note(db, "logged out")
    service.close_session(db, request.cookies.get(SESSION_COOKIE, ""))
    response = see_other("/login")
    response.delete_cookie(SESSION_COOKIE)
    return response


class AccountAddress(Fields):
    """The query of the address: whether a password has just been changed."""

    saved: bool = False


@router.get(ACCOUNT)
def account(request: Request, staff: CurrentStaff, done: Annotated[AccountAddress, Query()]) -> HTMLResponse:
    return page(request, "staff/account.html", staff=staff, error=None, saved=done.saved)


@router.post(ACCOUNT, name="account.password")
def change_password(
    request: Request, db: Db, staff: CurrentStaff, form: Annotated[PasswordChange, Form()]
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
