"""addresses of pictures are sealed, and kept with no trial any more"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

SIDES = ("left", "right")
KIND = "a_pair_or_a_region"
WAS = "num_nulls(pair_id, question, right_image_id, right_token) IN (0, 4)"
IS = "num_nulls(pair_id, question, right_image_id) IN (0, 3)"
EITHER = "num_nulls(pair_id, region_check_id) = 1"


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    secret = sa.table("secret", sa.column("name", sa.Text), sa.column("value", sa.LargeBinary))
    op.bulk_insert(secret, [{"name": "pictures", "value": secrets.token_bytes(64)}])
    op.alter_column("trial", "left_token", nullable=True)
    op.drop_constraint(op.f(f"ck__trial__{KIND}"), "trial")
    op.create_check_constraint(op.f(f"ck__trial__{KIND}"), "trial", f"{IS} AND {EITHER}")
    for side in SIDES:
        token = f"{side}_token"
        op.drop_constraint(op.f(f"uq__trial__{token}"), "trial")
        given = sa.text(f"{token} IS NOT NULL")
        op.create_index(f"ix__trial__{token}", "trial", [token], unique=True, postgresql_where=given)


def downgrade() -> None:
    for side in SIDES:
        token = f"{side}_token"
        op.drop_index(f"ix__trial__{token}", "trial")
        missing = f"{token} IS NULL AND {side}_image_id IS NOT NULL"
        op.execute(f"UPDATE trial SET {token} = gen_random_uuid()::text WHERE {missing}")  # noqa: S608 - ours
        op.create_unique_constraint(op.f(f"uq__trial__{token}"), "trial", [token])
    op.drop_constraint(op.f(f"ck__trial__{KIND}"), "trial")
    op.create_check_constraint(op.f(f"ck__trial__{KIND}"), "trial", f"{WAS} AND {EITHER}")
    op.alter_column("trial", "left_token", nullable=False)
    op.execute("DELETE FROM secret WHERE name = 'pictures'")
