"""how far the build of a map set is, and the job that can be asked to stop"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("map_set", sa.Column("job_id", sa.BigInteger(), nullable=True))
    op.add_column("map_set", sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("map_set", sa.Column("total", sa.Integer(), server_default=sa.text("0"), nullable=False))


def downgrade() -> None:
    for column in ("total", "done", "job_id"):
        op.drop_column("map_set", column)
