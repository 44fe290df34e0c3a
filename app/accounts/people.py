"""The list of staff, for admins."""

from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import second_factor, service
from app.accounts.routes import see_other
from app.deps import Admin, Config, Db
from app.errors import AppError
from app.flash import Flash, leave_for
from app.models import Role, Staff
from app.web import page

router: Final = APIRouter(prefix="/staff/people", include_in_schema=False)


USUAL_LIFETIME: Final = "two days"

Lasts = Annotated[Literal["an hour", "two days", "a week", "a month"], Form()]
"""How long a login link lasts."""


def listing(request: Request, db: Session, *, status: int = HTTPStatus.OK, **context: object) -> HTMLResponse:
    people = db.scalars(select(Staff).order_by(Staff.disabled_at.isnot(None), Staff.email)).all()
    defaults: dict[str, object] = {"error": None, "form": {}}
    return page(
        request,
        "staff/people.html",
        status=status,
        people=people,
        roles=list(Role),
        with_factor=second_factor.people_with_factor(db),
        links=service.open_links(db),
        lifetimes=list(service.LIFETIMES),
        usual=USUAL_LIFETIME,
        **(defaults | context),
    )


@router.get("")
def people(request: Request, db: Db, _admin: Admin) -> HTMLResponse:
    return listing(request, db)


@router.post("")
def add(
    request: Request,
    db: Db,
    config: Config,
    _admin: Admin,
    email: Annotated[str, Form(max_length=200)],
    name: Annotated[str, Form(max_length=100)],
    role: Annotated[Role, Form()],
    lasts: Lasts = USUAL_LIFETIME,
) -> Response:
    try:
        staff = service.add_staff(db, email=email, name=name, role=role)
    except AppError as error:
        kept = {"email": email, "name": name, "role": role}
        return listing(request, db, status=error.status, error=str(error), form=kept)
    return with_link(request, db, staff, config.public_url, lasts)


@router.post("/{staff_id}/link")
def new_link(
    request: Request,
    db: Db,
    config: Config,
    _admin: Admin,
    staff_id: int,
    lasts: Lasts = USUAL_LIFETIME,
) -> Response:
    return with_link(request, db, service.get_staff(db, staff_id), config.public_url, lasts)


@router.post("/{staff_id}/link/withdraw")
def withdraw_link(request: Request, db: Db, _admin: Admin, staff_id: int) -> Response:
    """A link that was sent to the wrong address lets nobody in any more."""
    person = service.get_staff(db, staff_id)
    service.withdraw_links(db, person)
    return leave_for(router.prefix, request, Flash("ok", f"The login link of {person.name} is void"))


def with_link(request: Request, db: Session, staff: Staff, public_url: str, lasts: str) -> Response:
    """Back to the list with a fresh link on it: the only time that it can be read."""
    url = public_url.rstrip("/") + service.login_link(db, staff, lifetime=service.LIFETIMES[lasts])
    told = f"Send it to {staff.email} now: it is shown only once, and lasts {lasts}."
    flash = Flash("ok", f"A one-time login link for {staff.name}", (told,), copies=url)
    return leave_for(router.prefix, request, flash)


@router.post("/{staff_id}/role")
def change_role(db: Db, admin: Admin, staff_id: int, role: Annotated[Role, Form()]) -> Response:
    service.change_role(db, service.get_staff(db, staff_id), role, by=admin)
    return see_other(router.prefix)


@router.post("/{staff_id}/second-factor/remove")
def remove_second_factor(db: Db, _admin: Admin, staff_id: int) -> Response:
    """For somebody who has lost their phone and their recovery codes."""
    second_factor.remove(db, service.get_staff(db, staff_id))
    return see_other(router.prefix)


@router.post("/{staff_id}/disable")
def disable(db: Db, admin: Admin, staff_id: int) -> Response:
    service.disable(db, service.get_staff(db, staff_id), by=admin)
    return see_other(router.prefix)


@router.post("/{staff_id}/enable")
def enable(db: Db, _admin: Admin, staff_id: int) -> Response:
    service.enable(service.get_staff(db, staff_id))
    return see_other(router.prefix)
