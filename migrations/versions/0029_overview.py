"""indexes from which pages of a study are counted without reading decided trials and whole payments"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_index(
        "ix__trial__undecided",
        "trial",
        ["participant_id"],
        postgresql_include=["kind"],
        postgresql_where=sa.text("state <> 'decided'"),
    )
    op.create_index(
        "ix__payment__sums",
        "payment",
        ["listing_id", "state", "kind"],
        postgresql_include=["amount", "currency"],
    )
    op.drop_index(op.f("ix__payment__listing_id_state"), table_name="payment")
    op.create_index("ix__submission__newest", "submission", ["listing_id", sa.text("started_at DESC"), "id"])


def downgrade() -> None:
    op.drop_index("ix__submission__newest", table_name="submission")
    op.create_index(op.f("ix__payment__listing_id_state"), "payment", ["listing_id", "state"])
    op.drop_index("ix__payment__sums", table_name="payment")
    op.drop_index("ix__trial__undecided", table_name="trial")
