"""exclusion: participants whom a study's rules leave out"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

LEFT_OUT = "{0}.state IN ('withdrawn', 'screened_out')"
JUDGED = """
CREATE OR REPLACE VIEW judged AS
SELECT d.id AS decision_id, d.trial_id, p.id AS participant_id, p.study_id, p.arm_id,
       NOT ({left_out}) AS counts,
       p.source = 'simulated' AS simulated, i.source, t.question, d.correct,
       d.decided_at, d.decision_ms, d.annotation_ms
FROM decision d
JOIN trial t ON t.id = d.trial_id AND t.kind = 'main'
JOIN participant p ON p.id = t.participant_id
JOIN pair ON pair.id = t.pair_id
JOIN image i ON i.id = pair.fake_image_id;
"""
STATE = """
DROP TRIGGER tally_state ON participant;

CREATE OR REPLACE FUNCTION tally_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct)
    SELECT study_id, simulated, measure, arm_id, source, part, bin,
           CASE measure WHEN 'change' THEN 1 ELSE sign END * count(*), sign * sum(t.correct)
    FROM tallied t, (SELECT CASE WHEN {new} THEN -1 ELSE 1 END) AS direction (sign)
    WHERE participant_id = NEW.id
    GROUP BY study_id, simulated, measure, arm_id, source, part, bin, sign;
    RETURN NULL;
END $$;

CREATE TRIGGER tally_state AFTER UPDATE OF {columns} ON participant FOR EACH ROW
WHEN (({old}) <> ({new})) EXECUTE FUNCTION tally_state();
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.add_column("participant", sa.Column("excluded_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "participant",
        sa.Column("exclusion", postgresql.JSONB(none_as_null=True), nullable=True),
    )
    op.create_check_constraint(
        op.f("ck__participant__exclusion_whole"), "participant", "num_nulls(excluded_at, exclusion) IN (0, 2)"
    )
    _count(LEFT_OUT + " OR {0}.excluded_at IS NOT NULL", columns="state, excluded_at")


def downgrade() -> None:
    """Whoever was left out counts again."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE participant SET excluded_at = NULL, exclusion = NULL WHERE excluded_at IS NOT NULL")
    _count(LEFT_OUT, columns="state")
    op.drop_constraint(op.f("ck__participant__exclusion_whole"), "participant")
    op.drop_column("participant", "exclusion")
    op.drop_column("participant", "excluded_at")


def _count(left_out: str, *, columns: str) -> None:
    op.execute(JUDGED.format(left_out=left_out.format("p")))
    op.execute(STATE.format(old=left_out.format("OLD"), new=left_out.format("NEW"), columns=columns))
