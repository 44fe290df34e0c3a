"""study_link: links into a study, and who came by which"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

KINDS = ("single_use", "personal", "reusable")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "study_link",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(*KINDS, name="kind", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk__study_link__study_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["staff.id"], name=op.f("fk__study_link__created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__study_link")),
        sa.UniqueConstraint("identity", name=op.f("uq__study_link__identity")),
        sa.UniqueConstraint("study_id", "label", name=op.f("uq__study_link__study_id_label")),
    )
    op.add_column("worker_identity", sa.Column("link_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk__worker_identity__link_id"),
        "worker_identity",
        "study_link",
        ["link_id"],
        ["id"],
        ondelete="SET NULL",
    )
    op.create_index(op.f("ix__worker_identity__link_id"), "worker_identity", ["link_id"])


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_index(op.f("ix__worker_identity__link_id"), "worker_identity")
    op.drop_column("worker_identity", "link_id")
    op.drop_table("study_link")
