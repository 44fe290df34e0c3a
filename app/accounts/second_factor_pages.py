"""Setting up, renewing and removing one's second factor."""

from http import HTTPStatus
from typing import Annotated, Final

import segno
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup
from sqlalchemy.orm import Session

from app.accounts import second_factor
from app.audit.recording import note
from app.deps import SESSION_COOKIE, Config, Db, Owner, second_factor_is_due
from app.errors import AppError, BadInput
from app.flash import Flash, leave_for
from app.models import Staff
from app.settings import Settings
from app.web import page

router: Final = APIRouter(prefix="/staff/account/second-factor", include_in_schema=False)

Code = Annotated[str, Form(max_length=40)]
KEEP_THEM: Final = (
    "Keep them where you keep passwords: each logs you in once without your phone. They are shown only now."
)


@router.get("")
def second_factor_page(request: Request, db: Db, config: Config, staff: Owner) -> HTMLResponse:
    return shown(request, db, config, staff)


def shown(
    request: Request, db: Session, config: Settings, staff: Staff, error: AppError | None = None
) -> HTMLResponse:
    factor = second_factor.factor_of(db, staff)
    waits = factor is not None and factor.confirmed_at is None
    secret = second_factor.secret_of(db, factor, config) if factor and waits else None
    return page(
        request,
        "staff/second_factor.html",
        status=error.status if error else HTTPStatus.OK,
        factor=factor,
        waits=waits,
        qr=_qr(second_factor.setup_address(secret, staff)) if secret else None,
        secret=secret,
        codes_left=second_factor.count_recovery_codes(db, staff),
        is_due=second_factor_is_due(db, config, staff),
        error=error,
    )


def _qr(text: str) -> Markup:
    """Dark on white in every theme: many apps read nothing else."""
    code = segno.make(text, micro=False)
    return Markup(code.svg_inline(scale=5, border=4, dark="#000", light="#fff", title="QR code"))  # noqa: S704


@router.post("/begin")
def begin(request: Request, db: Db, config: Config, staff: Owner) -> Response:
    second_factor.begin(db, staff, config)
    return leave_for(router.prefix, request, Flash("ok", "Scan the code with your app"))


@router.post("/confirm")
def confirm(request: Request, db: Db, config: Config, staff: Owner, code: Code = "") -> Response:
    _count_try(request, staff)
    try:
        with db.begin_nested():
            codes = second_factor.confirm(db, staff, code, config, keep=request.cookies[SESSION_COOKIE])
    except AppError as error:
        return shown(request, db, config, staff, error)
    flash = Flash("ok", "Your second factor is on. Your recovery codes", (KEEP_THEM,), copies=" ".join(codes))
    return leave_for(router.prefix, request, flash)


@router.post("/codes")
def renew_codes(request: Request, db: Db, config: Config, staff: Owner, code: Code = "") -> Response:
    _count_try(request, staff)
    if not second_factor.spend(db, staff, code, config):
        return shown(request, db, config, staff, BadInput(second_factor.WRONG))
    codes = second_factor.new_recovery_codes(db, staff)
    note(db, "new recovery codes")
    flash = Flash("ok", "Your new recovery codes", (KEEP_THEM,), copies=" ".join(codes))
    return leave_for(router.prefix, request, flash)


@router.post("/remove")
def remove(request: Request, db: Db, config: Config, staff: Owner, code: Code = "") -> Response:
    _count_try(request, staff)
    if not second_factor.spend(db, staff, code, config):
        return shown(request, db, config, staff, BadInput(second_factor.WRONG))
    second_factor.remove(db, staff)
    return leave_for(router.prefix, request, Flash("ok", "Your second factor is removed"))


def _count_try(request: Request, staff: Staff) -> None:
    """In a transaction of its own, so that every other try knows of it while this one is checked."""
    with request.app.state.session_factory.begin() as session:
        second_factor.count_try(session, staff)
