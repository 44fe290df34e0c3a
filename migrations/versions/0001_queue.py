"""The job queue's own tables, as procrastinate 3.10.0 ships them."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Frozen here: asking the installed library for its schema would rewrite history at each upgrade.
SCHEMA = Path(__file__).parents[1] / "sql" / "procrastinate_3_10_0.sql"


def upgrade() -> None:
    driver = op.get_bind().connection.driver_connection
    driver.execute(SCHEMA.read_text())


def downgrade() -> None:
    raise RuntimeError("The queue cannot be removed; restore a backup instead.")
