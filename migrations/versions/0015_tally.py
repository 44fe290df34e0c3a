"""counts of decisions that the database keeps as they come and go"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Rows only come: a decision waits for no other, as it would where many change one count. No foreign key holds
# the row of a study either, which enrolments lock.

# What one decision adds. `judged` has a row for every decision of a main trial; `counts` is true for those of
# people who neither withdrew nor were screened out.
VIEWS = """
CREATE VIEW judged AS
SELECT d.id AS decision_id, d.trial_id, p.id AS participant_id, p.study_id, p.arm_id,
       p.state NOT IN ('withdrawn', 'screened_out') AS counts,
       p.source = 'simulated' AS simulated, i.source, t.question, d.correct,
       d.decided_at, d.decision_ms, d.annotation_ms
FROM decision d
JOIN trial t ON t.id = d.trial_id AND t.kind = 'main'
JOIN participant p ON p.id = t.participant_id
JOIN pair ON pair.id = t.pair_id
JOIN image i ON i.id = pair.fake_image_id;

CREATE FUNCTION time_bin(ms double precision) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN floor(ln(greatest(ms, 1)) / ln(1.01));

CREATE VIEW tallied AS
SELECT j.decision_id, j.trial_id, j.participant_id, j.counts, j.study_id, j.simulated, added.*
FROM judged j CROSS JOIN LATERAL (VALUES
    ('cell', j.arm_id, j.source, j.question, 0, j.correct::integer),
    ('pace', NULL, NULL, NULL, floor(extract(epoch FROM j.decided_at) / 300)::integer, 0),
    ('change', NULL, NULL, NULL, 0, 0),
    ('decision_ms', j.arm_id, NULL, NULL, time_bin(j.decision_ms), 0),
    ('annotation_ms', j.arm_id, NULL, NULL, time_bin(j.annotation_ms), 0)
) added (measure, arm_id, source, part, bin, correct)
WHERE added.bin IS NOT NULL;
"""

# The row of a participant is held first: whoever changes their state meanwhile waits, and then counts what is
# written here; or went first, and what is written here counts nowhere. A check holds nothing, for it counts
# nothing, and one that ends the visit waits for trials of other requests, which wait for this row.
DECIDED = """
CREATE FUNCTION tally_decided() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM participant WHERE id IN (
        SELECT t.participant_id FROM decided d JOIN trial t ON t.id = d.trial_id AND t.kind = 'main'
    ) ORDER BY id FOR NO KEY UPDATE;
    INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct)
    SELECT study_id, simulated, measure, arm_id, source, part, bin, count(*), sum(tallied.correct)
    FROM tallied WHERE counts AND decision_id IN (SELECT id FROM decided)
    GROUP BY study_id, simulated, measure, arm_id, source, part, bin;
    RETURN NULL;
END $$;

CREATE TRIGGER tally_decided AFTER INSERT ON decision
REFERENCING NEW TABLE AS decided FOR EACH STATEMENT EXECUTE FUNCTION tally_decided();
"""

GONE = """
CREATE FUNCTION tally_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct)
    SELECT study_id, simulated, measure, arm_id, source, part, bin,
           CASE measure WHEN 'change' THEN 1 ELSE -1 END, -tallied.correct
    FROM tallied WHERE counts AND decision_id = OLD.id;
    RETURN OLD;
END $$;

CREATE TRIGGER tally_gone BEFORE DELETE ON decision
FOR EACH ROW EXECUTE FUNCTION tally_gone();
"""

STATE = """
CREATE FUNCTION tally_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct)
    SELECT study_id, simulated, measure, arm_id, source, part, bin,
           CASE measure WHEN 'change' THEN 1 ELSE sign END * count(*), sign * sum(t.correct)
    FROM tallied t,
         (SELECT CASE WHEN NEW.state IN ('withdrawn', 'screened_out') THEN -1 ELSE 1 END) AS direction (sign)
    WHERE participant_id = NEW.id
    GROUP BY study_id, simulated, measure, arm_id, source, part, bin, sign;
    RETURN NULL;
END $$;

CREATE TRIGGER tally_state AFTER UPDATE OF state ON participant FOR EACH ROW
WHEN ((OLD.state IN ('withdrawn', 'screened_out')) <> (NEW.state IN ('withdrawn', 'screened_out')))
EXECUTE FUNCTION tally_state();
"""

PEOPLE = """
CREATE FUNCTION tally_people() RETURNS trigger LANGUAGE plpgsql AS $$
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
    RETURN NULL;
END $$;

CREATE TRIGGER tally_people AFTER INSERT OR DELETE OR UPDATE OF state ON participant
FOR EACH ROW EXECUTE FUNCTION tally_people();
"""

WANTED = """
CREATE FUNCTION tally_wanted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally (study_id, simulated, measure, arm_id, bin, number, correct)
    SELECT study_id, false, 'wanted', arm_id, 0, sum(added.wanted), 0
    FROM added JOIN arm ON arm.id = arm_id GROUP BY study_id, arm_id;
    RETURN NULL;
END $$;

CREATE TRIGGER tally_wanted AFTER INSERT ON quota
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tally_wanted();

CREATE FUNCTION tally_rewanted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tally (study_id, simulated, measure, arm_id, bin, number, correct)
    SELECT study_id, false, 'wanted', arm.id, 0, coalesce(NEW.wanted, 0) - OLD.wanted, 0
    FROM arm WHERE arm.id = OLD.arm_id;
    RETURN NULL;
END $$;

CREATE TRIGGER tally_rewanted AFTER DELETE OR UPDATE OF wanted ON quota
FOR EACH ROW EXECUTE FUNCTION tally_rewanted();
"""

# Adds up rows that differ in their numbers alone: what is read is the same before and after. The pace of a
# study that goes on for more than three days is kept by the hour before them.
FOLD = """
CREATE FUNCTION fold_tally(of_study bigint) RETURNS void LANGUAGE sql AS $$
    WITH taken AS (
        DELETE FROM tally WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM tally WHERE study_id = of_study FOR UPDATE SKIP LOCKED
        )) RETURNING *
    ), kept AS (
        SELECT *, CASE WHEN measure = 'pace' AND bin < (
            SELECT max(bin) - 3 * 288 FROM taken WHERE measure = 'pace'
        ) THEN bin - bin % 12 ELSE bin END AS wide FROM taken
    )
    INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct, folded)
    SELECT study_id, simulated, measure, arm_id, source, part, wide, sum(number), sum(correct), true
    FROM kept GROUP BY study_id, simulated, measure, arm_id, source, part, wide
    HAVING sum(number) <> 0 OR sum(correct) <> 0;
$$;
"""

# What counting gives: `tally` adds up to the same, but for changes, which only grow, and for widened paces.
COUNTED = """
CREATE VIEW counted AS
SELECT study_id, simulated, measure, arm_id, source, part, bin,
       count(*)::integer AS number, sum(tallied.correct)::integer AS correct
FROM tallied WHERE counts GROUP BY study_id, simulated, measure, arm_id, source, part, bin
UNION ALL
SELECT study_id, source = 'simulated', 'people', arm_id, source, state, 0, count(*)::integer, 0
FROM participant GROUP BY study_id, arm_id, source, state
UNION ALL
SELECT study_id, false, 'wanted', arm_id, NULL, NULL, 0, sum(wanted)::integer, 0
FROM quota JOIN arm ON arm.id = arm_id GROUP BY study_id, arm_id;
"""

FILL = """
INSERT INTO tally (study_id, simulated, measure, arm_id, source, part, bin, number, correct, folded)
SELECT counted.*, true FROM counted;

SELECT fold_tally(id) FROM study;
"""

# What was computed knows the study that it saw by these counts; the same study has others now.
SEEN = """
UPDATE study_analysis a SET seen = jsonb_build_object(
    'decisions', now_.decisions, 'changes', now_.changes,
    'flags', a.seen -> 'flags', 'last_flag', a.seen -> 'last_flag'
)
FROM (
    SELECT study_id, count(*) AS decisions, max(decision_id) AS last, count(*) AS changes
    FROM judged WHERE counts GROUP BY study_id
) now_
WHERE now_.study_id = a.study_id
  AND a.seen -> 'decisions' = to_jsonb(now_.decisions) AND a.seen -> 'last' = to_jsonb(now_.last);
"""

TRIGGERS = {
    "tally_decided": "decision",
    "tally_gone": "decision",
    "tally_state": "participant",
    "tally_people": "participant",
    "tally_wanted": "quota",
    "tally_rewanted": "quota",
}


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.create_table(
        "tally",
        sa.Column("study_id", sa.BigInteger(), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("arm_id", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("part", sa.String(), nullable=True),
        sa.Column("bin", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("correct", sa.Integer(), nullable=False),
        sa.Column("folded", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index("ix__tally__study_id_measure", "tally", ["study_id", "measure"])
    op.create_index("ix__participant__newest", "participant", ["study_id", "consented_at", "id"])
    op.execute("LOCK TABLE decision, participant, quota IN SHARE ROW EXCLUSIVE MODE")
    for statement in (VIEWS, COUNTED, FOLD, FILL, DECIDED, GONE, STATE, PEOPLE, WANTED, SEEN):
        op.execute(statement)


def downgrade() -> None:
    for trigger, table in TRIGGERS.items():
        op.execute(f"DROP TRIGGER {trigger} ON {table}")
        op.execute(f"DROP FUNCTION {trigger}()")
    op.execute("DROP FUNCTION fold_tally(bigint)")
    op.execute("DROP VIEW counted")
    op.execute("DROP VIEW tallied")
    op.execute("DROP FUNCTION time_bin(double precision)")
    op.execute("DROP VIEW judged")
    op.drop_table("tally")
    op.drop_index("ix__participant__newest", "participant")
