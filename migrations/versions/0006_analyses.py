"""analyses of human accuracy"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    state = sa.Enum(
        "queued",
        "running",
        "succeeded",
        "failed",
        "aborted",
        name="state",
        native_enum=False,
        create_constraint=True,
        length=24,
    )
    json = postgresql.JSONB(astext_type=sa.Text())
    op.create_table(
        "study_analysis",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("parameters", json, nullable=False),
        sa.Column("seen", json, nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("inputs_hash", sa.String(), nullable=True),
        sa.Column("result", json, nullable=True),
        sa.Column("figures", json, nullable=True),
        sa.Column("files", json, nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["staff.id"], name=op.f("fk__study_analysis__created_by")),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk__study_analysis__study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__study_analysis")),
        sa.UniqueConstraint("study_id", "version", name=op.f("uq__study_analysis__study_id_version")),
    )


def downgrade() -> None:
    op.drop_table("study_analysis")
