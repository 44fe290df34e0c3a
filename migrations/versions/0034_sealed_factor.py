"""second_factor: the app's secret is sealed"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Secrets that are there stay as they are until their owner's next code: a migration has no key."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("second_factor", sa.Column("sealed_secret", sa.LargeBinary(), nullable=True))
    op.alter_column("second_factor", "secret", nullable=True)
    op.create_check_constraint(
        op.f("ck__second_factor__secret_once"),
        "second_factor",
        "num_nonnulls(secret, sealed_secret) = 1",
    )


def downgrade() -> None:
    """A sealed secret is lost: whoever has one sets their second factor up again."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_constraint(op.f("ck__second_factor__secret_once"), "second_factor")
    op.execute("DELETE FROM second_factor WHERE secret IS NULL")
    op.alter_column("second_factor", "secret", nullable=False)
    op.drop_column("second_factor", "sealed_secret")
