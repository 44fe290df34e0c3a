"""`cyborg quality`"""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from app.cli import app, complaints
from app.cli.context import opened


@app.command("quality")
def quality(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
) -> None:
    """Check everybody's work in a study and count the quality flags; nobody is rejected."""
    from app.audit.recording import note, unwatched
    from app.quality.service import SENTENCES, check_study, flags_by_kind
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
            counts = flags_by_kind(session, study_row.id)
    if as_json:
        print(json.dumps(counts))
        return
    table = Table("flag", "participants", "flags", "meaning")
    for row in counts:
        table.add_row(row["kind"], str(row["participants"]), str(row["flags"]), SENTENCES[row["kind"]])
    Console().print(table if counts else "No flags.")
