"""one life cycle for background work: errands become background tasks, and every kind has a job and an end"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
ZERO = sa.text("0")


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    _rename("errand", "background_task")
    op.add_column("background_task", sa.Column("job_id", sa.BigInteger(), nullable=True))
    for column in ("done", "total"):
        op.alter_column("background_task", column, server_default=ZERO)
    op.alter_column("run", "job_id", type_=sa.BigInteger())
    op.add_column("map_set", sa.Column("ended_at", MOMENT, nullable=True))
    op.add_column("study_analysis", sa.Column("ended_at", MOMENT, nullable=True))
    op.add_column("study_analysis", sa.Column("job_id", sa.BigInteger(), nullable=True))
    op.add_column("study_analysis", sa.Column("total", sa.Integer(), server_default=ZERO, nullable=False))
    op.alter_column("study_analysis", "done", server_default=ZERO)
    op.execute("UPDATE study_analysis SET total = 100 WHERE done > 0")
    for table in ("map_set", "study_analysis"):
        op.execute(f"UPDATE {table} SET ended_at = built_at WHERE state = 'succeeded'")  # noqa: S608 - ours
    _find_jobs("study_analysis", task="analysis.run", argument="analysis_id")
    _find_jobs("background_task", task="experiments.errand", argument="errand_id")
    _rename_jobs("experiments.errand", "experiments.task", "errand", "task")
    _rename_jobs("experiments.forget_scores", "experiments.delete_scores")


def downgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _rename_jobs("experiments.delete_scores", "experiments.forget_scores")
    _rename_jobs("experiments.task", "experiments.errand", "task", "errand")
    op.alter_column("study_analysis", "done", server_default=None)
    for column in ("total", "job_id", "ended_at"):
        op.drop_column("study_analysis", column)
    op.drop_column("map_set", "ended_at")
    op.alter_column("run", "job_id", type_=sa.Integer())
    for column in ("done", "total"):
        op.alter_column("background_task", column, server_default=None)
    op.drop_column("background_task", "job_id")
    _rename("background_task", "errand")


def _rename(old: str, new: str) -> None:
    """A table with its constraints, its index and its sequence."""
    op.rename_table(old, new)
    for prefix, *column in (("pk",), ("fk", "created_by"), ("ck", "kind"), ("ck", "state")):
        before, after = ("__".join((prefix, table, *column)) for table in (old, new))
        op.execute(f"ALTER TABLE {new} RENAME CONSTRAINT {before} TO {after}")
    op.execute(f"ALTER INDEX ix__{old}__created_at RENAME TO ix__{new}__created_at")
    op.execute(f"ALTER SEQUENCE {old}_id_seq RENAME TO {new}_id_seq")


def _find_jobs(table: str, *, task: str, argument: str) -> None:
    """Work that has not ended gets the number of its job, so that it can be aborted."""
    op.execute(f"""
        UPDATE {table} SET job_id = job.id FROM procrastinate_jobs job
        WHERE job.task_name = '{task}' AND job.status IN ('todo', 'doing')
          AND {table}.state IN ('queued', 'running') AND (job.args ->> '{argument}')::bigint = {table}.id
    """)  # noqa: S608 - ours


def _rename_jobs(old: str, new: str, old_word: str = "", new_word: str = "") -> None:
    """Jobs that wait keep their work under the new name, argument and lock."""
    op.execute(f"""
        UPDATE procrastinate_jobs SET
            task_name = '{new}',
            queueing_lock = CASE queueing_lock WHEN '{old}' THEN '{new}' ELSE queueing_lock END,
            lock = replace(lock, '{old_word}:', '{new_word}:'),
            args = CASE WHEN args ? '{old_word}_id'
                   THEN args - '{old_word}_id' || jsonb_build_object('{new_word}_id', args -> '{old_word}_id')
                   ELSE args END
        WHERE task_name = '{old}'
    """)  # noqa: S608 - ours
