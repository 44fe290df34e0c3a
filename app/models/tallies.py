"""Counts of judgements and people, kept by triggers of the database (docs/decisions/0016)."""

import enum
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, false

from app.models.base import Base


class TallyMeasure(enum.StrEnum):
    """What a row of `tally` counts."""

    WANTED = "wanted"  # judgements wanted, by arm
    CELL = "cell"  # judgements, and how many were correct, by arm, generator (`source`) and question (`part`)
    PACE = "pace"  # judgements in five minutes; `bin` counts those from 1970 on
    DECISION_MS = "decision_ms"  # judgements in a step of time, by arm; see `STEP`
    ANNOTATION_MS = "annotation_ms"
    CHANGE = "change"  # judgements that came, and those that went: never less than before
    ARRIVED = "arrived"  # participants who consented in five minutes; `bin` as of a pace
    PEOPLE = "people"  # participants, by arm, by where they came from (`source`), and by state (`part`)


PACE_S: Final = 300
STEP: Final = 1.01
"""A time of t ms is in bin ⌊ln t / ln STEP⌋: what is read from bins is right to one percent."""

tally: Final = Table(
    "tally",
    Base.metadata,
    Column("study_id", BigInteger, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("measure", String, nullable=False),
    Column("arm_id", BigInteger),
    Column("source", String),
    Column("part", String),
    Column("bin", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("correct", Integer, nullable=False),
    Column("folded", Boolean, server_default=false(), nullable=False),
    Index("ix__tally__study_id_measure", "study_id", "measure"),
)
"""What each study adds up to. Several rows may have the same key: their sum counts, and
`fold_tally` puts it in their place. Rows are added and folded, never changed, so that no decision waits for
another."""
