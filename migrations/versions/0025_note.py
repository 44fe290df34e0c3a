"""note: what staff write down about a study, a participant or an image"""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

ABOUT = {"study": sa.BigInteger(), "participant": sa.Uuid(), "image": sa.BigInteger()}


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "note",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        *(sa.Column(f"{thing}_id", kind, nullable=True) for thing, kind in ABOUT.items()),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                [f"{thing}_id"], [f"{thing}.id"], name=op.f(f"fk__note__{thing}_id"), ondelete="CASCADE"
            )
            for thing in ABOUT
        ),
        sa.ForeignKeyConstraint(["created_by"], ["staff.id"], name=op.f("fk__note__created_by")),
        sa.CheckConstraint(
            "num_nonnulls(study_id, participant_id, image_id) = 1", name=op.f("ck__note__about_one_thing")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk__note")),
    )
    for thing in ABOUT:
        op.create_index(op.f(f"ix__note__{thing}_id"), "note", [f"{thing}_id"])


def downgrade() -> None:
    op.drop_table("note")
