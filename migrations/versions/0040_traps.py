"""trials with a trap"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    trap = sa.Column("has_trap", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("trial", trap)


def downgrade() -> None:
    op.drop_column("trial", "has_trap")
