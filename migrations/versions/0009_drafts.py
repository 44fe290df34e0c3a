"""what a page keeps of a judgement that is not made yet"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    json = postgresql.JSONB(none_as_null=True, astext_type=sa.Text())
    op.add_column("trial", sa.Column("draft", json, nullable=True))


def downgrade() -> None:
    op.drop_column("trial", "draft")
