"""`cyborg audit`"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from app.cli import app
from app.cli.context import opened
from app.cli.remote import only_here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.models import AuditEntry

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="A day, in UTC; included.")]


@app.command("audit")
@only_here("no token reads the audit log")
def audit(
    who: Annotated[str, typer.Option(help="Part of an e-mail or of an account of this machine.")] = "",
    action: Annotated[str, typer.Option(help="Part of an action, for example study.open.")] = "",
    text: Annotated[str, typer.Option(help="Part of a subject, a change, a token's name, an address.")] = "",
    since: Day = None,
    until: Day = None,
    limit: Annotated[int, typer.Option(min=1, help="Print so many, the newest ones.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
    everything: Annotated[
        bool, typer.Option("--csv", help="Print all of them as CSV, oldest first.")
    ] = False,
) -> None:
    """Print the audit log: who changed what, and when."""
    from app.audit.reading import AuditFilter, as_csv, as_dict, entries

    days = [moment and moment.date() for moment in (since, until)]
    wanted = AuditFilter(who, action, text, *days)
    with opened() as context, context.sessions() as session:
        if everything:
            for line in as_csv(session, wanted):
                sys.stdout.write(line.decode())
            return
        found = entries(session, wanted, limit=limit)
    if as_json:
        print(json.dumps([as_dict(entry) | {"at": entry.at.isoformat()} for entry in found]))
    else:
        _print_table(found)


def _print_table(found: Sequence[AuditEntry]) -> None:
    if not found:
        print("No entry.")
        return
    table = Table("when", "who", "action", "what", "changes", box=None)
    for entry in found:
        when = f"{entry.at.astimezone():%Y-%m-%d %H:%M}"
        table.add_row(when, entry.who, entry.action, entry.subject, "; ".join(entry.changes))
    Console(markup=False).print(table)
