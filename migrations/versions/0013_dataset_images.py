"""which images a dataset holds"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "dataset_image",
        sa.Column("dataset_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("fk__dataset_image__dataset_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["image_id"], ["image.id"], name=op.f("fk__dataset_image__image_id")),
        sa.PrimaryKeyConstraint("dataset_id", "image_id", name=op.f("pk__dataset_image")),
    )
    op.create_index(op.f("ix__dataset_image__image_id"), "dataset_image", ["image_id"])
    # Those that were frozen so far: the images of the main pairs, and what was imported to be held out.
    op.execute(
        """
        INSERT INTO dataset_image (dataset_id, image_id)
        SELECT dataset.id, image.id FROM dataset CROSS JOIN image
        WHERE (image.split IN ('val', 'test') AND image.imported_at <= dataset.created_at)
           OR EXISTS (
             SELECT FROM pair
             WHERE pair.study_id = dataset.study_id AND pair.kind = 'main'
               AND image.id IN (pair.real_image_id, pair.fake_image_id)
           )
        """
    )


def downgrade() -> None:
    op.drop_table("dataset_image")
