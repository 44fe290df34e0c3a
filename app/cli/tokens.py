"""`cyborg token …`"""

from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.cli import app
from app.cli.context import opened
from app.cli.remote import ACCOUNTS, only_here
from app.errors import BadInput

tokens = typer.Typer(help="API tokens, by which programs act for staff.", no_args_is_help=True)
app.add_typer(tokens, name="token")


@tokens.command("create")
@only_here(ACCOUNTS)
def create(
    email: Annotated[str, typer.Argument(help="Whose token: what they may, it may within its scopes.")],
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="edit or payments: what it may beside reading; may be repeated."),
    ] = None,
    days: Annotated[int, typer.Option(help="How long it lasts.")] = 90,
) -> None:
    """Print a new token; nobody can read it later."""
    from app.accounts.service import find_staff
    from app.accounts.token_service import create_token
    from app.models import TokenScope

    if unknown := set(scope or ()) - set(TokenScope):
        raise BadInput(f"There is no scope {min(unknown)}; there are {' and '.join(TokenScope)}.")

    with opened() as context, context.sessions.begin() as session:
        owner = find_staff(session, email)
        print(
            create_token(
                session,
                owner,
                name=name,
                scopes=[TokenScope(one) for one in scope or ()],
                lifetime=timedelta(days=days),
            )
        )


@tokens.command("list")
@only_here(ACCOUNTS)
def list_command() -> None:
    """List the tokens of everybody, the newest first; the tokens themselves are not kept."""
    from app.accounts.token_service import tokens_of

    with opened() as context, context.sessions() as session:
        found = tokens_of(session, None)
    table = Table("number", "name", "owner", "scopes", "expires", "last used", "revoked", box=None)
    for token, owner in found:
        moments = (token.expires_at, token.last_used_at, token.revoked_at)
        days = [f"{moment:%Y-%m-%d}" if moment else "–" for moment in moments]
        table.add_row(str(token.id), token.name, owner, ", ".join(["read", *token.scopes]), *days)
    Console(markup=False).print(table) if found else print("There is no token.")


@tokens.command("revoke")
@only_here(ACCOUNTS)
def revoke(number: Annotated[int, typer.Argument(help="Its number; `cyborg token list`.")]) -> None:
    """Refuse a token from now on."""
    from app.accounts.token_service import find_token, revoke_token

    with opened() as context, context.sessions.begin() as session:
        token = find_token(session, number, None)
        revoke_token(token)
    print(f"The token {token.name} is revoked.")
