"""finance: a role that sees payments"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _admit("admin", "editor", "finance", "viewer")


def downgrade() -> None:
    """Whoever saw payments looks on without them."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE staff SET role = 'viewer' WHERE role = 'finance'")
    _admit("admin", "editor", "viewer")


def _admit(*roles: str) -> None:
    op.drop_constraint(op.f("ck__staff__role"), "staff")
    op.create_check_constraint(op.f("ck__staff__role"), "staff", f"role IN ({', '.join(map(repr, roles))})")
