"""what a visit needs beyond its main trials"""

import secrets

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATES = "state IN ('active', 'finished', 'screened_out', 'withdrawn')"
OLD_STATES = "state IN ('active', 'finished', 'withdrawn')"


def closed_set(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=24)


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    extend_studies()
    extend_participants()
    extend_trials()
    secret = op.create_table(
        "secret",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk__secret")),
    )
    op.bulk_insert(secret, [{"name": "links", "value": secrets.token_bytes(32)}])


def extend_studies() -> None:
    zero, one = sa.text("0"), sa.text("1")
    op.add_column("study", sa.Column("min_area", sa.Double(), server_default=zero, nullable=False))
    op.add_column("study", sa.Column("max_area", sa.Double(), server_default=one, nullable=False))
    op.create_check_constraint(
        "areas_ordered", "study", "0 <= min_area AND min_area < max_area AND max_area <= 1"
    )
    op.add_column("study", sa.Column("debrief", sa.String(), nullable=True))
    empty = sa.text("'{}'")
    op.add_column("study", sa.Column("visit", postgresql.JSONB(), server_default=empty, nullable=False))
    kind = closed_set("kind", "practice", "main", "check")
    op.add_column("pair", sa.Column("kind", kind, server_default=sa.text("'main'"), nullable=False))
    op.create_table(
        "region_check",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("region", postgresql.JSONB(), nullable=False),
        sa.Column("min_iou", sa.Double(), nullable=False),
        sa.Column("served_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk__region_check__image_id")),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk__region_check__study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__region_check")),
    )
    op.create_index(op.f("ix__region_check__study_id"), "region_check", ["study_id"])
    op.create_table(
        "image_advice",
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("map_hash", sa.String(), nullable=True),
        sa.Column("map_bytes", sa.Integer(), nullable=True),
        sa.CheckConstraint("score BETWEEN 0 AND 1", name=op.f("ck__image_advice__score_is_a_probability")),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk__image_advice__image_id")),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk__image_advice__study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study_id", "image_id", name=op.f("pk__image_advice")),
    )


def extend_participants() -> None:
    op.drop_constraint(op.f("ck__participant__state"), "participant")
    op.create_check_constraint("state", "participant", STATES)
    now = sa.DateTime(timezone=True)
    op.add_column("participant", sa.Column("screened_out_at", now, nullable=True))
    screening = closed_set("screened_out_by", "quiz", "checks")
    op.add_column("participant", sa.Column("screened_out_by", screening, nullable=True))
    op.add_column("participant", sa.Column("device", postgresql.JSONB(), nullable=True))
    op.add_column("participant", sa.Column("quiz_passed_at", now, nullable=True))
    op.add_column("participant", sa.Column("answers", postgresql.JSONB(), nullable=True))
    op.add_column("participant", sa.Column("answered_at", now, nullable=True))
    op.create_table(
        "quiz_attempt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("answers", postgresql.JSONB(), nullable=False),
        sa.Column("wrong", postgresql.JSONB(), nullable=False),
        sa.Column("attempted_at", now, server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participant.id"],
            name=op.f("fk__quiz_attempt__participant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__quiz_attempt")),
        sa.UniqueConstraint("participant_id", "number", name=op.f("uq__quiz_attempt__participant_id_number")),
    )


def extend_trials() -> None:
    op.add_column("trial", sa.Column("region_check_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk__trial__region_check_id"), "trial", "region_check", ["region_check_id"], ["id"]
    )
    op.create_unique_constraint(
        op.f("uq__trial__participant_id_region_check_id"), "trial", ["participant_id", "region_check_id"]
    )
    for column in ("pair_id", "question", "right_image_id", "right_token"):
        op.alter_column("trial", column, nullable=True)
    op.create_check_constraint(
        "a_pair_or_a_region",
        "trial",
        "num_nulls(pair_id, question, right_image_id, right_token) IN (0, 4) "
        "AND num_nulls(pair_id, region_check_id) = 1",
    )
    op.add_column("trial", sa.Column("advice", postgresql.JSONB(), nullable=True))
    op.add_column("decision", sa.Column("region_iou", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_table("secret")
    op.drop_column("decision", "region_iou")
    op.drop_column("trial", "advice")
    op.drop_constraint(op.f("ck__trial__a_pair_or_a_region"), "trial")
    op.execute("DELETE FROM trial WHERE pair_id IS NULL")
    for column in ("pair_id", "question", "right_image_id", "right_token"):
        op.alter_column("trial", column, nullable=False)
    op.drop_column("trial", "region_check_id")
    op.drop_table("quiz_attempt")
    for column in (
        "screened_out_at",
        "screened_out_by",
        "device",
        "quiz_passed_at",
        "answers",
        "answered_at",
    ):
        op.drop_column("participant", column)
    op.drop_constraint(op.f("ck__participant__state"), "participant")
    op.execute("UPDATE participant SET state = 'finished' WHERE state = 'screened_out'")
    op.create_check_constraint("state", "participant", OLD_STATES)
    op.drop_table("image_advice")
    op.drop_table("region_check")
    op.drop_column("pair", "kind")
    for column in ("min_area", "max_area", "debrief", "visit"):
        op.drop_column("study", column)
