"""`cyborg db …`"""

import typer

from app.cli import app
from app.cli.context import opened

database = typer.Typer(help="The database.", no_args_is_help=True)
app.add_typer(database, name="db")


@database.command("upgrade")
def upgrade_schema() -> None:
    """Bring the database schema to the newest revision."""
    with opened() as context:
        print(f"The database at {context.engine.url.render_as_string()} is up to date.")
