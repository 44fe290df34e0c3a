"""audits of images for shortcuts are background tasks"""

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _allow("'freeze', 'export', 'score', 'audit'")


def downgrade() -> None:
    op.execute("DELETE FROM background_task WHERE kind = 'audit'")
    _allow("'freeze', 'export', 'score'")


def _allow(kinds: str) -> None:
    name = op.f("ck__background_task__kind")
    op.drop_constraint(name, "background_task")
    op.create_check_constraint(name, "background_task", f"kind IN ({kinds})")
