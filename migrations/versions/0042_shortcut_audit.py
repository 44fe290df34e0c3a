"""what image files were; the shortcut audit of a dataset"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("image", sa.Column("file", JSONB(), nullable=True))
    op.add_column("dataset", sa.Column("audit", JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("dataset", "audit")
    op.drop_column("image", "file")
