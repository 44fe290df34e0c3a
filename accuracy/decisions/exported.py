"""Files of decisions that the platform writes. Their headers are known, so they need no TOML.

- `decisions.csv` of `cyborg export` has every trial. Those that count are read, and numbered anew.
- `decisions.csv` of an analysis has the columns of `accuracy.decisions.table`.

People and programs are never mixed: of a file with both, one kind is read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from accuracy.decisions.mapping import ColumnMap, read_mapping
from accuracy.decisions.reading import DecisionFile, read_decision_file, read_rows
from accuracy.decisions.table import COLUMNS, NEEDED, Decisions, Design
from accuracy.errors import DecisionsError
from saliency.files.spreadsheets import original

EXPORT_COLUMNS: Final = {
    "participant": "participant",
    "arm": "arm",
    "correct": "correct",
    "item": "pair_id",
    "source": "fake_source",
    "question": "question",
    "choice": "choice",
    "position": "position",
    "decision_ms": "decision_ms",
    "annotation_ms": "annotation_ms",
}
"""Ours = that of an export."""
ONLY_IN_EXPORTS: Final = ("counts", "annotate", "pair_id")
TEXTS: Final = ("participant", "arm", "item", "source")

Row = Mapping[str, str]


def read_decisions(path: Path, columns: Path | None, *, simulated: bool = False) -> DecisionFile:
    """A file of decisions, as a TOML says what its columns are, or one that the platform wrote.

    simulated : of a file that the platform wrote, the decisions of programs, even where people decided too
    Raises `DecisionsError` where a file cannot be used.
    """
    if columns is not None:
        return read_decision_file(path, read_mapping(columns))
    rows = read_rows(path, known=[*COLUMNS, *EXPORT_COLUMNS.values()])
    header = rows[0].keys() if rows else ()
    if all(name in header for name in (*ONLY_IN_EXPORTS, *EXPORT_COLUMNS.values())):
        return _read(path, [row for row in rows if _is_true(row, "counts")], EXPORT_COLUMNS, simulated)
    if all(name in header for name in NEEDED):
        return _read(path, rows, {name: name for name in COLUMNS if name in header}, simulated)
    raise DecisionsError(
        f"{path} is not a file of decisions that Cyborg wrote, or it is empty; "
        "a TOML must say what its columns are."
    )


def _read(path: Path, rows: Sequence[Row], columns: dict[str, str], simulated: bool) -> DecisionFile:  # noqa: FBT001
    of_pilot = all(_is_true(row, "pilot") for row in rows)
    counted = [row for row in rows if _is_true(row, "pilot") == of_pilot]
    of_programs = simulated or all(_is_true(row, "simulated") for row in counted)
    chosen = [row for row in counted if _is_true(row, "simulated") == of_programs]
    mapping = ColumnMap(
        name=_title(path),
        design=_design(chosen),
        columns=columns,
        paints=frozenset(row["arm"] for row in chosen if _paints(row)),
        simulated=of_programs,
    )
    is_export = columns is EXPORT_COLUMNS

    def keep(row: Row) -> bool:
        wanted = {"simulated": of_programs, "pilot": of_pilot} | ({"counts": True} if is_export else {})
        return all(_is_true(row, name) == value for name, value in wanted.items())

    file = read_decision_file(path, mapping, keep=keep, gaps_are_usual=True)
    left_out = {
        "people" if of_programs else "programs": len(counted) - len(chosen),
        "a pilot": len(rows) - len(counted),
    }
    said = (f"{number} decisions of {whose} are left out." for whose, number in left_out.items() if number)
    notes = (*file.notes, *said, *(["These are decisions of a pilot."] if of_pilot and rows else []))
    return replace(file, decisions=_as_analysed(file.decisions, renumber=is_export), notes=notes)


def _as_analysed(decisions: Decisions, *, renumber: bool) -> Decisions:
    """Texts without the apostrophes of spreadsheets; positions among the trials that count."""
    frame = decisions.frame
    texts = {name: frame[name].map(original, na_action="ignore") for name in TEXTS if name in frame}
    frame = frame.assign(**texts)
    if renumber:
        of_person = frame.groupby("participant")["position"]
        frame = frame.assign(position=of_person.rank(method="first").astype(int))
    return replace(decisions, frame=frame, paints=frozenset(map(original, decisions.paints)))


def _is_true(row: Row, name: str) -> bool:
    return row.get(name, "").lower() == "true"


def _paints(row: Row) -> bool:
    """Whether the row's arm paints: an export says so, a table of an analysis has times of painting."""
    return _is_true(row, "annotate") if "annotate" in row else bool(row.get("annotation_ms"))


def _design(rows: Sequence[Row]) -> Design:
    """By what was chosen: a side, or a label."""
    choices = {row.get("choice", "") for row in rows} - {""}
    return "single" if choices and choices <= {"real", "fake"} else "2afc"


def _title(path: Path) -> str:
    """The study's title from the export that the file lies in, or the file's name."""
    try:
        return str(json.loads((path.parent / "study.json").read_text("utf-8"))["title"])
    except (OSError, ValueError, KeyError, TypeError):
        return path.stem
