"""`cyborg alerts …`"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from app.cli import app
from app.cli.context import opened

alerts = typer.Typer(help="Alerts: what staff have to look at.", no_args_is_help=True)
app.add_typer(alerts, name="alerts")


@alerts.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the alerts that stand, the newest first."""
    from app.overview.alerts import alerts_and_studies, undelivered

    with opened() as context, context.sessions() as session:
        found, lost = alerts_and_studies(session), undelivered(session)
    if as_json:
        lines = [
            {"kind": one.kind, "study": slug, "text": one.text, "began_at": one.began_at.isoformat()}
            for one, slug, _ in found
        ]
        print(json.dumps(lines, ensure_ascii=False))
        return
    for one, slug, _ in found:
        print(f"{one.began_at.astimezone():%Y-%m-%d %H:%M}  {slug}  {one.text}")
    if not found:
        print("No alert.")
    for failed in lost:
        told = failed.delivery
        print(
            f"Not arrived: {told.id}  {failed.study}  {told.receiver} to {told.place}, tried {told.tries}×."
        )
        print(f"  {failed.text} {told.error}")


@alerts.command("again")
def again_command(number: Annotated[int, typer.Argument(help="As `alerts list` prints it.")]) -> None:
    """Send a message of an alert that did not arrive again; a worker does it."""
    from app.overview.alerts import send_again

    with opened() as context, context.sessions.begin() as session:
        send_again(session, context.settings, number)
    print("A worker sends it now.")


@alerts.command("try")
def try_command() -> None:
    """Send a trial message by the webhook and the mail that the settings name."""
    from app.overview.delivery import try_out
    from app.settings import Settings

    for receiver in try_out(Settings()):
        print(f"Sent by {receiver}.")
