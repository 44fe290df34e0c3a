"""who says where the face of an image is"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    origin = sa.Enum("found", "corrected", name="face_origin", native_enum=False, length=24)
    op.add_column("image", sa.Column("face_origin", origin, nullable=True))
    op.create_check_constraint("face_origin", "image", "face_origin IN ('found', 'corrected')")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.drop_column("image", "face_origin")
