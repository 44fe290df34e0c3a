"""find the trials that are still to be decided without reading all that ever were"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix__trial__assigned", "trial", ["participant_id"], postgresql_where=sa.text("state = 'assigned'")
    )


def downgrade() -> None:
    op.drop_index("ix__trial__assigned", table_name="trial")
