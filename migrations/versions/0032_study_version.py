"""study_version: what an open study said from one change to the next"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

CONTENT = (
    "title, trials_per_participant, judgements, min_strokes, min_area, max_area, lease, consent, "
    "consent_version, instructions, completion_url, accepts_simulated, debrief, visit, spec"
)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, column in (("study", "version"), ("participant", "study_version")):
        number = sa.Column(column, sa.Integer(), server_default=sa.text("1"), nullable=False)
        op.add_column(table, number)
    op.create_table(
        "study_version",
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("trials_per_participant", sa.Integer(), nullable=False),
        sa.Column("judgements", sa.Integer(), nullable=False),
        sa.Column("min_strokes", sa.Integer(), nullable=False),
        sa.Column("min_area", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_area", sa.Float(), server_default=sa.text("1"), nullable=False),
        sa.Column("lease", sa.Interval(), nullable=False),
        sa.Column("consent", sa.String(), nullable=False),
        sa.Column("consent_version", sa.String(), nullable=False),
        sa.Column("instructions", sa.String(), nullable=False),
        sa.Column("completion_url", sa.String(), nullable=True),
        sa.Column("accepts_simulated", sa.Boolean(), nullable=False),
        sa.Column("debrief", sa.String(), nullable=True),
        sa.Column("visit", JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("spec", JSONB(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk__study_version__study_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["made_by"], ["staff.id"], name=op.f("fk__study_version__made_by")),
        sa.PrimaryKeyConstraint("study_id", "number", name=op.f("pk__study_version")),
    )
    op.execute(
        f"INSERT INTO study_version (study_id, number, reason, made_by, made_at, {CONTENT}) "  # noqa: S608
        f"SELECT id, 1, 'Opened.', created_by, coalesce(opened_at, created_at), {CONTENT} "
        "FROM study WHERE state <> 'draft'"
    )


def downgrade() -> None:
    op.drop_table("study_version")
    op.drop_column("participant", "study_version")
    op.drop_column("study", "version")
