"""API tokens: each person's own, and for admins those of everybody."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy.orm import Session

from app.accounts import token_service as service
from app.deps import Db, InPerson
from app.errors import AppError
from app.flash import Flash, leave_for
from app.forms import Fields
from app.models import Role, Staff, TokenScope
from app.web import page

router: Final = APIRouter(prefix="/staff/account/tokens", include_in_schema=False)


class TokenForm(Fields):
    """The form for a new token, as it was sent."""

    name: str = ""
    days: int = service.USUAL_DAYS
    scopes: tuple[TokenScope, ...] = ()


@router.get("")
def tokens(request: Request, db: Db, staff: InPerson) -> HTMLResponse:
    return listing(request, db, staff, TokenForm())


def listing(
    request: Request, db: Session, staff: Staff, form: TokenForm, error: AppError | None = None
) -> HTMLResponse:
    return page(
        request,
        "staff/tokens.html",
        status=error.status if error else HTTPStatus.OK,
        tokens=service.tokens_of(db, None if staff.role is Role.ADMIN else staff),
        scopes=service.scopes_for(staff),
        longest=service.MOST_DAYS,
        now=datetime.now(UTC),
        form=form,
        error=error,
    )


@router.post("", name="token.create")
def create(request: Request, db: Db, staff: InPerson, form: Annotated[TokenForm, Form()]) -> Response:
    try:
        token = service.create_token(
            db, staff, name=form.name, scopes=form.scopes, lifetime=timedelta(days=form.days)
        )
    except AppError as error:
        return listing(request, db, staff, form, error)
    told = "Copy it now: it is shown only once, and nobody can read it later."
    return leave_for(
        router.prefix, request, Flash("ok", f"The API token {form.name.strip()}", (told,), copies=token)
    )


@router.post("/{token_id}/revoke", name="token.revoke")
def revoke(request: Request, db: Db, staff: InPerson, token_id: int) -> Response:
    """One's own, or, for admins, anybody's."""
    token = service.find_token(db, token_id, None if staff.role is Role.ADMIN else staff)
    service.revoke_token(token)
    return leave_for(router.prefix, request, Flash("ok", f"The API token {token.name} is revoked"))
