"""staff screen people out on a marketplace"""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    leave = sa.Column("staff_screen_out", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    op.add_column("listing", leave)
    _admit("approve", "request_return", "reject", "screen_out")


def downgrade() -> None:
    op.execute("UPDATE submission SET verdict = NULL WHERE verdict = 'screen_out'")
    _admit("approve", "request_return", "reject")
    op.drop_column("listing", "staff_screen_out")


def _admit(*verdicts: str) -> None:
    name = op.f("ck__submission__verdict")
    op.drop_constraint(name, "submission")
    op.create_check_constraint(name, "submission", f"verdict IN ({', '.join(map(repr, verdicts))})")
