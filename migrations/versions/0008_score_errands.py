"""an image that a detector is asked about is left to a worker"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    _allow("'freeze', 'export', 'score'")


def downgrade() -> None:
    op.execute("DELETE FROM errand WHERE kind = 'score'")
    _allow("'freeze', 'export'")


def _allow(kinds: str) -> None:
    op.drop_constraint(op.f("ck__errand__kind"), "errand")
    op.create_check_constraint(op.f("ck__errand__kind"), "errand", f"kind IN ({kinds})")
