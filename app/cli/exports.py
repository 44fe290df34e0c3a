"""`cyborg export`"""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import app, complaints
from app.cli.context import opened


@app.command("export")
def export(
    study: Annotated[str, typer.Argument(help="Name of the study.")],
    out_dir: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
) -> None:
    """Write everything a study collected into a folder: decisions, annotations, maps, data dictionary."""
    from app.db import snapshot
    from app.exports.service import export_study
    from app.studies.service import find_study

    with opened() as context, snapshot(context.sessions) as session, complaints.status("") as status:
        found = find_study(session, study)
        export_study(session, context.blobs, found, out_dir, on_file=status.update)
    print(f"Wrote {out_dir}; its README.md explains every column.")
