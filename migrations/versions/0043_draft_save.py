"""draft_save: what a draft said each time that somebody saved it"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "draft_save",
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("spec", postgresql.JSONB(), nullable=False),
        sa.Column("restored", sa.Integer(), nullable=True),
        sa.Column("made_by", sa.BigInteger(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("restored < number", name=op.f("ck__draft_save__restores_an_earlier_one")),
        sa.ForeignKeyConstraint(["made_by"], ["staff.id"], name=op.f("fk__draft_save__made_by")),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk__draft_save__study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study_id", "number", name=op.f("pk__draft_save")),
    )
    # Of the drafts that there are, what they say now; who changed them since they were made is not known.
    op.execute(
        "INSERT INTO draft_save (study_id, number, spec, made_by, made_at) "
        "SELECT id, 1, spec, created_by, created_at FROM study WHERE state = 'draft'"
    )


def downgrade() -> None:
    op.drop_table("draft_save")
