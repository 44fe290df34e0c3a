"""Tables for R: one row per decision, and one row per estimate."""

import csv
import io
from dataclasses import astuple
from typing import Any, Final

import pandas as pd

from accuracy.decisions.table import COLUMNS, Decisions
from accuracy.findings.estimates import FIELDS, Analysis
from saliency.files.spreadsheets import cell

DECISION_FIELDS: Final = ("decision_id", "simulated", "study_version", *COLUMNS)


def decisions_csv(decisions: Decisions) -> str:
    """One row per decision; an empty cell is a value that is not known. Whole numbers are written as such."""
    frame = decisions.frame.reindex(columns=[name for name in DECISION_FIELDS if name in decisions.frame])
    whole = [name for name in ("decision_id", "correct", "position") if name in frame]
    frame = frame.assign(**{name: _whole(frame[name]) for name in whole})
    return str(frame.apply(_cells).to_csv(index=False, lineterminator="\n"))


def _cells(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Texts that no spreadsheet program takes for a formula; outside tables hold whatever they hold."""
    texts = [text for text in values.unique() if isinstance(text, str)]
    risky = {text: cell(text) for text in texts if cell(text) != text}
    return values.replace(risky) if risky else values


def _whole(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Numbers without a decimal point where all are whole: pandas adds it when one is missing."""
    numbers = pd.to_numeric(values)
    return numbers.astype("Int64") if (numbers.dropna() % 1 == 0).all() else values


def estimates_csv(analysis: Analysis) -> str:
    """One row per estimate, see `accuracy.findings.estimates`; an empty cell is what is not defined."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FIELDS)
    writer.writerows(
        [cell(value) if isinstance(value, str) else value for value in astuple(estimate)]
        for estimate in analysis.estimates
    )
    return out.getvalue()
