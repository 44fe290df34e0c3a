"""alert_delivery: whether an alert arrived where it was to be told"""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=False),
        sa.Column("turn", sa.String(length=24), nullable=False),
        sa.Column("receiver", sa.String(length=24), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("place", sa.String(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("turn IN ('began', 'ended')", name=op.f("ck__alert_delivery__turn")),
        sa.CheckConstraint("receiver IN ('webhook', 'mail')", name=op.f("ck__alert_delivery__receiver")),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alert.id"], name=op.f("fk__alert_delivery__alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__alert_delivery")),
        sa.UniqueConstraint(
            "alert_id", "turn", "receiver", name=op.f("uq__alert_delivery__alert_id_turn_receiver")
        ),
    )
    op.create_index(
        "ix__alert_delivery__failing",
        "alert_delivery",
        ["alert_id"],
        postgresql_where=sa.text("arrived_at IS NULL AND tries > 0"),
    )


def downgrade() -> None:
    op.drop_table("alert_delivery")
