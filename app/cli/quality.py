"""`cyborg quality`"""

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from app.cli import app, complaints
from app.cli.context import opened
from app.cli.remote import Remote, remote


@app.command("quality")
def quality(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Check everybody's work in a study and count the quality flags; nobody is rejected."""
    from app.quality.service import SENTENCES

    server = remote()
    counts = _checked_there(server, study) if server else _checked_here(study)
    if as_json:
        print(json.dumps(counts))
        return
    table = Table("flag", "participants", "flags", "meaning")
    for row in counts:
        table.add_row(row["kind"], str(row["participants"]), str(row["flags"]), SENTENCES[row["kind"]])
    Console().print(table if counts else "No flags.")


def _checked_there(server: Remote, study: str) -> list[dict[str, Any]]:
    """Everybody is checked by the server, a page of the list at a time."""
    people = f"/api/studies/{study}/participants"
    after: str | None = ""
    while after is not None:
        page = server.get(people, params={"sort": "oldest", "after": after}).json()
        after = page["after"]
        if ids := [person["id"] for person in page["participants"]]:
            server.post(f"{people}/bulk", json={"action": "check", "participants": ids})
    counts = server.get(f"{people}/flags").json()
    return [{name: row[name] for name in ("kind", "participants", "flags")} for row in counts]


def _checked_here(study: str) -> list[dict[str, Any]]:
    from app.audit.recording import note, unwatched
    from app.quality.service import check_study, flags_by_kind
    from app.studies.service import find_study

    with opened() as context, Progress(console=complaints, transient=True) as progress:
        task = progress.add_task("Checking", total=None)
        with context.sessions() as session:
            study_row = find_study(session, study)
        with context.sessions.begin() as session:
            note(session, f"study {study}: everybody's work checked again")
        check_study(
            unwatched(context.sessions),
            study_row,
            lambda done, total: progress.update(task, completed=done, total=total),
        )
        with context.sessions() as session:
            return flags_by_kind(session, study_row.id)
