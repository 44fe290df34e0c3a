"""pastes and drops into the closing questions"""

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("participant", sa.Column("pastes", sa.Integer(), nullable=True))
    op.add_column("participant", sa.Column("drops", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("participant", "drops")
    op.drop_column("participant", "pastes")
