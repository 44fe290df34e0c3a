"""what each saliency map was built from"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("map_set", sa.Column("simulated", sa.Integer(), nullable=True))
    op.add_column("map_set", sa.Column("reused", sa.Integer(), nullable=True))
    op.add_column("map_set", sa.Column("reliability", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.add_column("saliency_map", sa.Column("thumb_hash", sa.String(), nullable=True))
    op.add_column("saliency_map", sa.Column("sketch", sa.LargeBinary(), nullable=True))
    op.add_column("saliency_map", sa.Column("inputs_hash", sa.String(), nullable=True))
    op.add_column(
        "saliency_map", sa.Column("reliability", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    op.add_column("saliency_map", sa.Column("accuracy", sa.Double(), nullable=True))
    op.create_index("ix__saliency_map__image_id_inputs_hash", "saliency_map", ["image_id", "inputs_hash"])
    op.create_table(
        "map_average",
        sa.Column("map_set_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "label",
            sa.Enum("real", "fake", name="label", native_enum=False, create_constraint=True, length=24),
            nullable=False,
        ),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("blob_hash", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["map_set_id"], ["map_set.id"], name=op.f("fk__map_average__map_set_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("map_set_id", "label", "source", name=op.f("pk__map_average")),
    )


def downgrade() -> None:
    op.drop_table("map_average")
    op.drop_index("ix__saliency_map__image_id_inputs_hash", table_name="saliency_map")
    for column in ("accuracy", "reliability", "inputs_hash", "sketch", "thumb_hash"):
        op.drop_column("saliency_map", column)
    for column in ("reliability", "reused", "simulated"):
        op.drop_column("map_set", column)
