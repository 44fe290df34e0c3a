"""Alembic's entry: an open connection handed in by `app.db.upgrade`, or one made from the settings."""

from alembic import context
from sqlalchemy import Connection

from app.db import connect
from app.models import Base
from app.settings import Settings


def ours(name: str | None, kind: str, _parents: object) -> bool:
    """The queue's tables are its own: they are created from frozen SQL and never compared."""
    return not (kind == "table" and name is not None and name.startswith("procrastinate_"))


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, include_name=ours)
    with context.begin_transaction():
        context.run_migrations()


if given := context.config.attributes.get("connection"):
    migrate(given)
else:
    with connect(Settings()).connect() as own:
        migrate(own)
        own.commit()
