"""`cyborg staff …`"""

import sys
from datetime import timedelta
from typing import Annotated, Literal

import typer

from app.cli import app
from app.cli.context import opened
from app.cli.remote import ACCOUNTS, only_here

staff = typer.Typer(help="The people who run studies.", no_args_is_help=True)
app.add_typer(staff, name="staff")


@staff.command("add")
@only_here(ACCOUNTS)
def add(
    email: Annotated[str, typer.Argument(help="Their e-mail address: their login name.")],
    name: Annotated[str, typer.Option(help="How they are called on the pages.")] = "",
    role: Annotated[
        Literal["admin", "editor", "finance", "viewer"], typer.Option(help="What they may do.")
    ] = "editor",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read a password from standard input.")
    ] = False,
) -> None:
    """Add an account; without a password, print a link that logs its owner in once."""
    from app.accounts import service
    from app.models import Role

    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with opened() as context, context.sessions.begin() as session:
        person = service.add_staff(session, email=email, name=name, role=Role(role), password=password)
        path = None if password_stdin else service.login_link(session, person)
        public_url = context.settings.public_url.rstrip("/")
    print(f"{person.email} is now {role}." if path is None else f"{public_url}{path}")


@staff.command("remove-second-factor")
@only_here(ACCOUNTS)
def remove_second_factor(email: Annotated[str, typer.Argument(help="Who has lost theirs.")]) -> None:
    """Let somebody log in without a code until they set up another second factor."""
    from app.accounts import second_factor, service

    with opened() as context, context.sessions.begin() as session:
        second_factor.remove(session, service.find_staff(session, email))
    print(f"{email} logs in without a code now.")


@staff.command("link")
@only_here(ACCOUNTS)
def link(
    email: Annotated[str, typer.Argument(help="Whose link.")],
    hours: Annotated[int, typer.Option(min=1, max=720, help="How long it lasts.")] = 48,
) -> None:
    """Print a new link that logs somebody in once; using it forgets their old password."""
    from app.accounts import service

    with opened() as context, context.sessions.begin() as session:
        person = service.find_staff(session, email)
        path = service.login_link(session, person, lifetime=timedelta(hours=hours))
        public_url = context.settings.public_url.rstrip("/")
    print(f"{public_url}{path}")


@staff.command("withdraw-link")
@only_here(ACCOUNTS)
def withdraw_link(email: Annotated[str, typer.Argument(help="Whose link.")]) -> None:
    """Void the login links that were sent to somebody and not used."""
    from app.accounts import service

    with opened() as context, context.sessions.begin() as session:
        service.withdraw_links(session, service.find_staff(session, email))
    print(f"The login link of {email} is void.")
