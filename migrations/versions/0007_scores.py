"""detectors of other people, by their scores; what staff ask for that takes longer than a page"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def closed_set(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    moment = sa.DateTime(timezone=True)
    json = postgresql.JSONB(astext_type=sa.Text())
    op.create_table(
        "detector",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scores_hash", sa.String(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk__detector__dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["created_by"], ["staff.id"], name=op.f("fk__detector__created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__detector")),
        sa.UniqueConstraint("dataset_id", "name", name=op.f("uq__detector__dataset_id_name")),
    )
    op.create_table(
        "errand",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", closed_set("kind", "freeze", "export"), nullable=False),
        sa.Column("arguments", json, nullable=False),
        sa.Column(
            "state",
            closed_set("state", "queued", "running", "succeeded", "failed", "aborted"),
            nullable=False,
        ),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("result", json, nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["staff.id"], name=op.f("fk__errand__created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__errand")),
    )
    op.create_index("ix__errand__created_at", "errand", ["created_at"])


def downgrade() -> None:
    op.drop_table("errand")
    op.drop_table("detector")
