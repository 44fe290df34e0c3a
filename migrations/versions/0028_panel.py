"""panel: people of another panel, by parameters that a study maps"""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

HOLDERS = {
    "participant": "source",
    "worker_identity": "source",
    "marketplace_account": "marketplace",
    "listing": "marketplace",
}
BEFORE = ("link", "mturk", "prolific", "simulated")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _admit(*BEFORE, "panel")


def downgrade() -> None:
    """Whoever came through a panel is one who came by a link."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE participant SET source = 'link' WHERE source = 'panel'")
    op.execute("UPDATE worker_identity SET source = 'link' WHERE source = 'panel'")
    _admit(*BEFORE)


def _admit(*sources: str) -> None:
    for table, column in HOLDERS.items():
        name = op.f(f"ck__{table}__{column}")
        op.drop_constraint(name, table)
        op.create_check_constraint(name, table, f"{column} IN ({', '.join(map(repr, sources))})")
