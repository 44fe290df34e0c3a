"""tables"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "image",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("display_hash", sa.String(), nullable=False),
        sa.Column("display_bytes", sa.Integer(), nullable=False),
        sa.Column(
            "label",
            sa.Enum("real", "fake", name="label", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column(
            "split",
            sa.Enum(
                "train", "val", "test", name="split", native_enum=False, create_constraint=True, length=24
            ),
            nullable=True,
        ),
        sa.Column("group", sa.String(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("face_x", sa.Double(), nullable=True),
        sa.Column("face_y", sa.Double(), nullable=True),
        sa.Column("face_width", sa.Double(), nullable=True),
        sa.Column("face_height", sa.Double(), nullable=True),
        sa.Column("original_name", sa.String(), nullable=False),
        sa.Column("generated", sa.Boolean(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "num_nulls(face_x, face_y, face_width, face_height) IN (0, 4)",
            name=op.f("ck__image__face_box_whole"),
        ),
        sa.CheckConstraint("width > 0 AND height > 0", name=op.f("ck__image__size_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__image")),
        sa.UniqueConstraint("content_hash", name=op.f("uq__image__content_hash")),
    )
    op.create_index("ix__image__label_source", "image", ["label", "source"], unique=False)
    op.create_table(
        "staff",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column(
            "role",
            sa.Enum(
                "admin", "editor", "viewer", name="role", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("password_hash", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__staff")),
        sa.UniqueConstraint("email", name=op.f("uq__staff__email")),
    )
    op.create_table(
        "login_link",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk__login_link__staff_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk__login_link")),
    )
    op.create_index(op.f("ix__login_link__staff_id"), "login_link", ["staff_id"], unique=False)
    op.create_table(
        "staff_session",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("staff_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk__staff_session__staff_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk__staff_session")),
    )
    op.create_index(op.f("ix__staff_session__staff_id"), "staff_session", ["staff_id"], unique=False)
    op.create_table(
        "study",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "draft",
                "open",
                "paused",
                "closed",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("trials_per_participant", sa.Integer(), nullable=False),
        sa.Column("judgements", sa.Integer(), nullable=False),
        sa.Column("min_strokes", sa.Integer(), nullable=False),
        sa.Column("lease", sa.Interval(), nullable=False),
        sa.Column("consent", sa.String(), nullable=False),
        sa.Column("consent_version", sa.String(), nullable=False),
        sa.Column("instructions", sa.String(), nullable=False),
        sa.Column("completion_url", sa.String(), nullable=True),
        sa.Column("accepts_simulated", sa.Boolean(), nullable=False),
        sa.Column("spec", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("min_strokes >= 0", name=op.f("ck__study__min_strokes_not_negative")),
        sa.CheckConstraint(
            "trials_per_participant > 0 AND judgements > 0", name=op.f("ck__study__counts_positive")
        ),
        sa.ForeignKeyConstraint(["created_by"], ["staff.id"], name=op.f("fk__study__created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__study")),
        sa.UniqueConstraint("slug", name=op.f("uq__study__slug")),
    )
    op.create_table(
        "arm",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("annotate", sa.Boolean(), nullable=False),
        sa.Column(
            "advice",
            sa.Enum(
                "none",
                "decision",
                "saliency",
                "both",
                name="advice",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk__arm__study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__arm")),
        sa.UniqueConstraint("study_id", "name", name=op.f("uq__arm__study_id_name")),
    )
    op.create_table(
        "map_set",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "succeeded",
                "failed",
                "aborted",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("inputs_hash", sa.String(), nullable=True),
        sa.Column("annotations", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk__map_set__study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__map_set")),
        sa.UniqueConstraint("study_id", "version", name=op.f("uq__map_set__study_id_version")),
    )
    op.create_table(
        "pair",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("real_image_id", sa.BigInteger(), nullable=False),
        sa.Column("fake_image_id", sa.BigInteger(), nullable=False),
        sa.Column("served_bytes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["fake_image_id"], ["image.id"], name=op.f("fk__pair__fake_image_id")),
        sa.ForeignKeyConstraint(["real_image_id"], ["image.id"], name=op.f("fk__pair__real_image_id")),
        sa.ForeignKeyConstraint(
            ["study_id"], ["study.id"], name=op.f("fk__pair__study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__pair")),
        sa.UniqueConstraint(
            "study_id",
            "real_image_id",
            "fake_image_id",
            name=op.f("uq__pair__study_id_real_image_id_fake_image_id"),
        ),
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("map_set_id", sa.BigInteger(), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("stale", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["map_set_id"], ["map_set.id"], name=op.f("fk__dataset__map_set_id")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk__dataset__study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__dataset")),
        sa.UniqueConstraint("content_hash", name=op.f("uq__dataset__content_hash")),
    )
    op.create_index(op.f("ix__dataset__study_id"), "dataset", ["study_id"], unique=False)
    op.create_table(
        "participant",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("arm_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "link",
                "mturk",
                "prolific",
                "simulated",
                name="source",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "active",
                "finished",
                "withdrawn",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("consent_version", sa.String(), nullable=False),
        sa.Column(
            "consented_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completion_code", sa.String(), nullable=True),
        sa.Column("client", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["arm_id"], ["arm.id"], name=op.f("fk__participant__arm_id")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk__participant__study_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__participant")),
        sa.UniqueConstraint("completion_code", name=op.f("uq__participant__completion_code")),
    )
    op.create_index(
        "ix__participant__study_id_state",
        "participant",
        ["study_id", "state", "lease_expires_at"],
        unique=False,
    )
    op.create_table(
        "quota",
        sa.Column("arm_id", sa.BigInteger(), nullable=False),
        sa.Column("pair_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "question",
            sa.Enum("real", "fake", name="question", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.CheckConstraint("taken BETWEEN 0 AND wanted", name=op.f("ck__quota__taken_within_wanted")),
        sa.ForeignKeyConstraint(["arm_id"], ["arm.id"], name=op.f("fk__quota__arm_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["pair_id"], ["pair.id"], name=op.f("fk__quota__pair_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("arm_id", "pair_id", "question", name=op.f("pk__quota")),
    )
    op.create_index(
        "ix__quota__arm_id_question_taken", "quota", ["arm_id", "question", "taken"], unique=False
    )
    op.create_table(
        "saliency_map",
        sa.Column("map_set_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("blob_hash", sa.String(), nullable=False),
        sa.Column("annotators", sa.Integer(), nullable=False),
        sa.Column("coverage", sa.Double(), nullable=False),
        sa.Column("entropy", sa.Double(), nullable=False),
        sa.Column("agreement", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk__saliency_map__image_id")),
        sa.ForeignKeyConstraint(
            ["map_set_id"], ["map_set.id"], name=op.f("fk__saliency_map__map_set_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("map_set_id", "image_id", name=op.f("pk__saliency_map")),
    )
    op.create_table(
        "experiment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("recipe", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["created_by"], ["staff.id"], name=op.f("fk__experiment__created_by")),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], name=op.f("fk__experiment__dataset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__experiment")),
    )
    op.create_index(op.f("ix__experiment__dataset_id"), "experiment", ["dataset_id"], unique=False)
    op.create_table(
        "participant_token",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participant.id"],
            name=op.f("fk__participant_token__participant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk__participant_token")),
    )
    op.create_index(
        op.f("ix__participant_token__participant_id"), "participant_token", ["participant_id"], unique=False
    )
    op.create_table(
        "trial",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("pair_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "question",
            sa.Enum("real", "fake", name="question", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "practice", "main", "check", name="kind", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column(
            "state",
            sa.Enum(
                "assigned",
                "decided",
                "released",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("left_image_id", sa.BigInteger(), nullable=False),
        sa.Column("right_image_id", sa.BigInteger(), nullable=False),
        sa.Column("left_token", sa.String(), nullable=False),
        sa.Column("right_token", sa.String(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["left_image_id"], ["image.id"], name=op.f("fk__trial__left_image_id")),
        sa.ForeignKeyConstraint(["pair_id"], ["pair.id"], name=op.f("fk__trial__pair_id")),
        sa.ForeignKeyConstraint(
            ["participant_id"], ["participant.id"], name=op.f("fk__trial__participant_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["right_image_id"], ["image.id"], name=op.f("fk__trial__right_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__trial")),
        sa.UniqueConstraint("left_token", name=op.f("uq__trial__left_token")),
        sa.UniqueConstraint("participant_id", "pair_id", name=op.f("uq__trial__participant_id_pair_id")),
        sa.UniqueConstraint("participant_id", "position", name=op.f("uq__trial__participant_id_position")),
        sa.UniqueConstraint("right_token", name=op.f("uq__trial__right_token")),
    )
    op.create_index(op.f("ix__trial__pair_id"), "trial", ["pair_id"], unique=False)
    op.create_table(
        "worker_identity",
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "source",
            sa.Enum(
                "link",
                "mturk",
                "prolific",
                "simulated",
                name="source",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("external_id", sa.String(), nullable=False),
        sa.Column("assignment_id", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participant.id"],
            name=op.f("fk__worker_identity__participant_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("participant_id", name=op.f("pk__worker_identity")),
        sa.UniqueConstraint(
            "study_id", "source", "external_id", name=op.f("uq__worker_identity__study_id_source_external_id")
        ),
    )
    op.create_table(
        "decision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("trial_id", sa.Uuid(), nullable=False),
        sa.Column(
            "choice",
            sa.Enum("left", "right", name="choice", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("chosen_image_id", sa.BigInteger(), nullable=False),
        sa.Column("correct", sa.Boolean(), nullable=False),
        sa.Column("decision_ms", sa.Double(), nullable=False),
        sa.Column("annotation_ms", sa.Double(), nullable=True),
        sa.Column("events", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("body_hash", sa.String(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("annotation_ms >= 0", name=op.f("ck__decision__annotation_ms_not_negative")),
        sa.CheckConstraint("decision_ms >= 0", name=op.f("ck__decision__decision_ms_not_negative")),
        sa.ForeignKeyConstraint(
            ["chosen_image_id"], ["image.id"], name=op.f("fk__decision__chosen_image_id")
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trial.id"], name=op.f("fk__decision__trial_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__decision")),
        sa.UniqueConstraint("trial_id", name=op.f("uq__decision__trial_id")),
    )
    op.create_index("ix__decision__decided_at", "decision", ["decided_at"], unique=False)
    op.create_table(
        "quality_flag",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("participant_id", sa.Uuid(), nullable=False),
        sa.Column("trial_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["participant_id"],
            ["participant.id"],
            name=op.f("fk__quality_flag__participant_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["trial_id"], ["trial.id"], name=op.f("fk__quality_flag__trial_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__quality_flag")),
    )
    op.create_index(
        op.f("ix__quality_flag__participant_id"), "quality_flag", ["participant_id"], unique=False
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("experiment_id", sa.BigInteger(), nullable=False),
        sa.Column("architecture", sa.String(), nullable=False),
        sa.Column("objective", sa.String(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "queued",
                "running",
                "succeeded",
                "failed",
                "aborted",
                name="state",
                native_enum=False,
                create_constraint=True,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("metrics", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["experiment_id"], ["experiment.id"], name=op.f("fk__run__experiment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__run")),
    )
    op.create_index(op.f("ix__run__experiment_id"), "run", ["experiment_id"], unique=False)
    op.create_table(
        "annotation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("decision_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decision.id"], name=op.f("fk__annotation__decision_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk__annotation__image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__annotation")),
        sa.UniqueConstraint("decision_id", name=op.f("uq__annotation__decision_id")),
    )
    op.create_index(op.f("ix__annotation__image_id"), "annotation", ["image_id"], unique=False)
    op.create_table(
        "run_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["run.id"], name=op.f("fk__run_event__run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__run_event")),
    )
    op.create_index("ix__run_event__run_id_id", "run_event", ["run_id", "id"], unique=False)
    op.create_table(
        "stroke",
        sa.Column("annotation_id", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "tool",
            sa.Enum(
                "brush", "lasso", "eraser", name="tool", native_enum=False, create_constraint=True, length=24
            ),
            nullable=False,
        ),
        sa.Column("radius", sa.Double(), nullable=False),
        sa.Column("points", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["annotation_id"], ["annotation.id"], name=op.f("fk__stroke__annotation_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("annotation_id", "position", name=op.f("pk__stroke")),
    )


def downgrade() -> None:
    op.drop_table("stroke")
    op.drop_index("ix__run_event__run_id_id", table_name="run_event")
    op.drop_table("run_event")
    op.drop_index(op.f("ix__annotation__image_id"), table_name="annotation")
    op.drop_table("annotation")
    op.drop_index(op.f("ix__run__experiment_id"), table_name="run")
    op.drop_table("run")
    op.drop_index(op.f("ix__quality_flag__participant_id"), table_name="quality_flag")
    op.drop_table("quality_flag")
    op.drop_index("ix__decision__decided_at", table_name="decision")
    op.drop_table("decision")
    op.drop_table("worker_identity")
    op.drop_index(op.f("ix__trial__pair_id"), table_name="trial")
    op.drop_table("trial")
    op.drop_index(op.f("ix__participant_token__participant_id"), table_name="participant_token")
    op.drop_table("participant_token")
    op.drop_index(op.f("ix__experiment__dataset_id"), table_name="experiment")
    op.drop_table("experiment")
    op.drop_table("saliency_map")
    op.drop_index("ix__quota__arm_id_question_taken", table_name="quota")
    op.drop_table("quota")
    op.drop_index("ix__participant__study_id_state", table_name="participant")
    op.drop_table("participant")
    op.drop_index(op.f("ix__dataset__study_id"), table_name="dataset")
    op.drop_table("dataset")
    op.drop_table("pair")
    op.drop_table("map_set")
    op.drop_table("arm")
    op.drop_table("study")
    op.drop_index(op.f("ix__staff_session__staff_id"), table_name="staff_session")
    op.drop_table("staff_session")
    op.drop_index(op.f("ix__login_link__staff_id"), table_name="login_link")
    op.drop_table("login_link")
    op.drop_table("staff")
    op.drop_index("ix__image__label_source", table_name="image")
    op.drop_table("image")
