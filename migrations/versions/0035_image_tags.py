"""tags of images"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("image", sa.Column("tags", JSONB(), server_default=sa.text("'[]'"), nullable=False))
    op.create_index("ix__image__tags", "image", ["tags"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_index("ix__image__tags", table_name="image")
    op.drop_column("image", "tags")
