"""pilot: studies that try out another one before it opens"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("study", sa.Column("pilot_of", sa.String(), nullable=True))
    op.create_check_constraint(op.f("ck__study__pilots_another"), "study", "pilot_of <> slug")
    op.create_index(op.f("ix__study__pilot_of"), "study", ["pilot_of"])


def downgrade() -> None:
    op.drop_column("study", "pilot_of")
