"""`cyborg alerts …`"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import app
from app.cli.context import opened
from app.cli.remote import MACHINE, only_here, remote
from app.errors import NotFound

if TYPE_CHECKING:
    from app.api.studies import Alerts

alerts = typer.Typer(help="Alerts: what staff have to look at.", no_args_is_help=True)
app.add_typer(alerts, name="alerts")


@alerts.command("list")
def list_command(
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the alerts that stand, the newest first."""
    from app.api.studies import Alerts

    server = remote()
    found = Alerts.model_validate(server.get("/api/alerts").json()) if server else _alerts_here()
    if as_json:
        lines = [one.model_dump() | {"began_at": one.began_at.isoformat()} for one in found.alerts]
        print(json.dumps(lines, ensure_ascii=False))
        return
    for one in found.alerts:
        print(f"{one.began_at.astimezone():%Y-%m-%d %H:%M}  {one.study}  {one.text}")
    if not found.alerts:
        print("No alert.")
    for lost in found.undelivered:
        where = f"{lost.receiver} to {lost.place}"
        print(f"Not arrived: {lost.number}  {lost.study}  {where}, tried {lost.tries}×.")
        print(f"  {lost.text} {lost.error}")


def _alerts_here() -> Alerts:
    from app.api.studies import alerts_view

    with opened() as context, context.sessions() as session:
        return alerts_view(session)


@alerts.command("again")
def again_command(number: Annotated[int, typer.Argument(help="As `alerts list` prints it.")]) -> None:
    """Send a message of an alert that did not arrive again; a worker does it."""
    from app.overview.alerts import send_again

    if server := remote():
        lost = server.get("/api/alerts").json()["undelivered"]
        found = next((one["study"] for one in lost if one["number"] == number), None)
        if found is None:
            raise NotFound("There is no such message of an alert.")
        server.post(f"/api/studies/{found}/alerts/{number}/send-again")
        print(f"A worker of {server.url} sends it now.")
        return
    with opened() as context, context.sessions.begin() as session:
        send_again(session, context.settings, number)
    print("A worker sends it now.")


@alerts.command("try")
@only_here(MACHINE)
def try_command() -> None:
    """Send a trial message by the webhook and the mail that the settings name."""
    from app.overview.delivery import try_out
    from app.settings import Settings

    for receiver in try_out(Settings()):
        print(f"Sent by {receiver}.")
