"""arrivals counted as they come; indexes for who is on their way and for sums of payments"""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

PEOPLE = """
CREATE OR REPLACE FUNCTION tally_people() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct)
        VALUES (OLD.study_id, OLD.source = 'simulated', 'people', OLD.arm_id,
                OLD.source, OLD.state, 0, -1, 0);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct)
        VALUES (NEW.study_id, NEW.source = 'simulated', 'people', NEW.arm_id,
                NEW.source, NEW.state, 0, 1, 0);
    END IF;
    {arrived}
    RETURN NULL;
END $$;
"""

ARRIVED = """
    IF TG_OP = 'DELETE' THEN
        INSERT INTO tally (study_id, simulated, measure, bin, number, correct)
        VALUES (OLD.study_id, OLD.source = 'simulated', 'arrived',
                floor(extract(epoch FROM OLD.consented_at) / 300)::integer, -1, 0);
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO tally (study_id, simulated, measure, bin, number, correct)
        VALUES (NEW.study_id, NEW.source = 'simulated', 'arrived',
                floor(extract(epoch FROM NEW.consented_at) / 300)::integer, 1, 0);
    END IF;
"""

# Arrivals are kept by the hour as paces are, each before its own last three days.
FOLD = """
CREATE OR REPLACE FUNCTION fold_tally(of_study bigint) RETURNS void LANGUAGE sql AS $$
    WITH taken AS (
        DELETE FROM tally WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM tally WHERE study_id = of_study FOR UPDATE SKIP LOCKED
        )) RETURNING *
    ), newest AS (
        SELECT measure, max(bin) AS bin FROM taken WHERE measure IN ({over_time}) GROUP BY measure
    ), kept AS (
        SELECT taken.*, CASE WHEN taken.bin < newest.bin - 3 * 288
               THEN taken.bin - taken.bin % 12 ELSE taken.bin END AS wide
        FROM taken LEFT JOIN newest USING (measure)
    )
    INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct, folded)
    SELECT study_id, simulated, measure, arm_id, source, part, wide, sum(number), sum(correct), true
    FROM kept GROUP BY study_id, simulated, measure, arm_id, source, part, wide
    HAVING sum(number) <> 0 OR sum(correct) <> 0;
$$;
"""

COUNTED = """
CREATE OR REPLACE VIEW counted AS
SELECT study_id, simulated, measure, arm_id, source, part, bin,
       count(*)::integer AS number, sum(tallied.correct)::integer AS correct
FROM tallied WHERE counts GROUP BY study_id, simulated, measure, arm_id, source, part, bin
UNION ALL
SELECT study_id, source = 'simulated', 'people', arm_id, source, state, 0, count(*)::integer, 0
FROM participant GROUP BY study_id, arm_id, source, state
UNION ALL
SELECT study_id, false, 'wanted', arm_id, NULL, NULL, 0, sum(wanted)::integer, 0
FROM quota JOIN arm ON arm.id = arm_id GROUP BY study_id, arm_id
{arrived};
"""

COUNTED_ARRIVED = """
UNION ALL
SELECT study_id, source = 'simulated', 'arrived', NULL, NULL, NULL,
       floor(extract(epoch FROM consented_at) / 300)::integer, count(*)::integer, 0
FROM participant GROUP BY 1, 2, 7
"""

FILL = """
INSERT INTO tally (study_id, simulated, measure, bin, number, correct)
SELECT study_id, simulated, measure, bin, number, correct FROM counted WHERE measure = 'arrived';
SELECT fold_tally(id) FROM study;
"""


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("LOCK TABLE participant IN SHARE ROW EXCLUSIVE MODE")
    op.execute(COUNTED.format(arrived=COUNTED_ARRIVED))
    op.execute(FOLD.format(over_time="'pace', 'arrived'"))
    op.execute(FILL)
    op.execute(PEOPLE.format(arrived=ARRIVED))
    op.drop_index("ix__trial__undecided", table_name="trial")
    _index_undecided("kind", "position")
    op.drop_index("ix__payment__sums", table_name="payment")
    op.create_index(
        "ix__payment__sums",
        "payment",
        ["listing_id", "state", "kind", "currency"],
        postgresql_include=["amount"],
    )


def downgrade() -> None:
    op.drop_index("ix__payment__sums", table_name="payment")
    op.create_index(
        "ix__payment__sums",
        "payment",
        ["listing_id", "state", "kind"],
        postgresql_include=["amount", "currency"],
    )
    op.drop_index("ix__trial__undecided", table_name="trial")
    _index_undecided("kind")
    op.execute(PEOPLE.format(arrived=""))
    op.execute(COUNTED.format(arrived=""))
    op.execute("DELETE FROM tally WHERE measure = 'arrived'")
    op.execute(FOLD.format(over_time="'pace'"))


def _index_undecided(*included: str) -> None:
    op.create_index(
        "ix__trial__undecided",
        "trial",
        ["participant_id"],
        postgresql_include=list(included),
        postgresql_where=sa.text("state <> 'decided'"),
    )
