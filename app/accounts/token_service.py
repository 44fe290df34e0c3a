"""Making, listing and revoking API tokens."""

import secrets
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from app.errors import BadInput, NotFound, WrongState
from app.models import ApiToken, Staff, TokenScope
from app.security import token_hash

PREFIX: Final = "cyborg_"
"""So that programs that look for leaked secrets find one of ours."""

USUAL_DAYS: Final = 90
MOST_DAYS: Final = 366
LONGEST_NAME: Final = 60  # characters


def create_token(
    session: Session, staff: Staff, *, name: str, scopes: Collection[TokenScope], lifetime: timedelta
) -> str:
    """A new token of `staff`, which is told this once; reading needs no scope.

    `BadInput`: no name, a lifetime of less than a day or over a year, or a scope that the role does not have.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise BadInput(f"A token needs a name of at most {LONGEST_NAME} characters.")
    if not timedelta(days=1) <= lifetime <= timedelta(days=MOST_DAYS):
        raise BadInput(f"A token lasts from 1 to {MOST_DAYS} days.")
    if refused := set(scopes) - set(scopes_for(staff)):
        raise BadInput(f"The role {staff.role} cannot give a token the scope {min(refused)}.")
    token = PREFIX + secrets.token_urlsafe(32)
    session.add(
        ApiToken(
            staff_id=staff.id,
            name=name,
            token_hash=token_hash(token),
            scopes=sorted(set(scopes)),
            expires_at=datetime.now(UTC) + lifetime,
        )
    )
    return token


def scopes_for(staff: Staff) -> list[TokenScope]:
    """What tokens of somebody with this role may be allowed."""
    allowed = {TokenScope.EDIT: staff.role.may_edit, TokenScope.PAYMENTS: staff.role.may_see_payments}
    return [scope for scope, may in allowed.items() if may]


def tokens_of(session: Session, staff: Staff | None) -> Sequence[Row[ApiToken, str]]:
    """Tokens and their owners' e-mails, the newest first; of everybody when `staff` is None."""
    query = select(ApiToken, Staff.email).join(Staff, Staff.id == ApiToken.staff_id)
    if staff is not None:
        query = query.where(ApiToken.staff_id == staff.id)
    return session.execute(query.order_by(ApiToken.id.desc())).all()


def find_token(session: Session, token_id: int, staff: Staff | None) -> ApiToken:
    """A token by its number, of `staff` or of anybody."""
    token = session.get(ApiToken, token_id)
    if token is None or (staff is not None and token.staff_id != staff.id):
        raise NotFound("There is no such API token.")
    return token


def revoke_token(token: ApiToken) -> None:
    if token.revoked_at is not None:
        raise WrongState("This API token has been revoked already.")
    token.revoked_at = datetime.now(UTC)
