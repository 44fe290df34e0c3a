"""plan_hash: the plan of a study, frozen at its opening"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("study", sa.Column("plan_hash", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("study", "plan_hash")
