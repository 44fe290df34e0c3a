"""`cyborg db …`"""

from pathlib import Path
from typing import Annotated

import typer

from app.cli import app
from app.cli.context import opened
from app.cli.remote import MACHINE, only_here

database = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(database, name="db")


@database.command("upgrade")
@only_here(MACHINE)
def upgrade_schema() -> None:
    """Bring the database schema to the newest revision."""
    with opened() as context:
        where = context.engine.url.host or context.settings.data_dir / "postgres"
        print(f"The database in {where} is up to date.")


@database.command("backup")
@only_here(MACHINE)
def back_up(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")],
) -> None:
    """Write the whole database into a file, while everything goes on; images and maps are in the blobs."""
    from app.db import backup

    with opened() as context:
        backup(context.engine, file)
    print(f"{file}: {file.stat().st_size:,} bytes")


@database.command("restore")
@only_here(MACHINE)
def restore_from(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What `db backup` wrote.")],
) -> None:
    """Fill an empty database from a backup, all or nothing."""
    from app.db import connect, restore
    from app.settings import Settings

    engine = connect(Settings())
    try:
        restore(engine, file)
    finally:
        engine.dispose()
    with opened():
        print("The database is restored and up to date.")


@database.command("counts")
@only_here(MACHINE)
def check_counts(
    mend: Annotated[bool, typer.Option("--mend", help="Write the counts anew where they are wrong.")] = False,
) -> None:
    """Compare the counts that pages show with what counting gives; exit code 1 where they differ."""
    from app.studies.tallies import differences, recount

    with opened() as context, context.sessions.begin() as session:
        errors = differences(session)
        for error in errors:
            print(f"Study {error.study_id}: {error.measure} is off by {error.off}.")
        if errors and mend:
            recount(session)
            print("The counts are written anew.")
        elif not errors:
            print("Every count is right.")
    if errors and not mend:
        raise typer.Exit(1)
