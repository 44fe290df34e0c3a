"""Tables for R: one row per decision, and one row per estimate."""

import csv
import io
from dataclasses import astuple
from typing import Final

from app.analysis.estimates import FIELDS, Analysis
from app.analysis.table import COLUMNS, Decisions

DECISION_FIELDS: Final = ("decision_id", "simulated", *COLUMNS)


def decisions_csv(decisions: Decisions) -> str:
    """One row per decision; an empty cell is a value that is not known. `correct` is 1 or 0."""
    frame = decisions.frame.reindex(columns=[name for name in DECISION_FIELDS if name in decisions.frame])
    frame = frame.assign(correct=frame["correct"].astype(int))
    return str(frame.to_csv(index=False, lineterminator="\n"))


def estimates_csv(analysis: Analysis) -> str:
    """One row per estimate, see `app.analysis.estimates.Estimate`; an empty cell is what cannot be told."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows(astuple(one) for one in analysis.estimates)
    return out.getvalue()
