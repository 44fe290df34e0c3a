"""tries of passwords, counted in the database; login links that are gone when used"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "password_tries",
        sa.Column("key_hash", sa.String(), nullable=False),
        sa.Column("used_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("pk__password_tries")),
    )
    op.create_index(op.f("ix__password_tries__used_until"), "password_tries", ["used_until"])
    op.execute("DELETE FROM login_link WHERE used_at IS NOT NULL")
    op.drop_column("login_link", "used_at")


def downgrade() -> None:
    op.add_column("login_link", sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))
    op.drop_table("password_tries")
