"""the rules of a visit that a study was made with, defaults included"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A migration that cannot have its lock gives up rather than stop the study behind it.
    op.execute("SET LOCAL lock_timeout = '5s'")
    # A rule that was the default used to be left out, so that a new default would change old studies.
    op.execute(
        """
        UPDATE study SET visit = jsonb_set(
          visit,
          '{device}',
          '{"min_width": 320, "min_height": 480, "touch": true}'::jsonb
            || coalesce(spec -> 'device', '{}')
            || coalesce(visit -> 'device', '{}')
        )
        """
    )
    op.execute(
        """
        UPDATE study SET visit = jsonb_set(visit, '{quiz,attempts}', coalesce(spec #> '{quiz,attempts}', '3'))
        WHERE visit ? 'quiz' AND NOT visit -> 'quiz' ? 'attempts'
        """
    )


def downgrade() -> None:
    """What is spelt out now means the same to the version before."""
