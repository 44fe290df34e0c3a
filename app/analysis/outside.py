"""Decisions collected elsewhere: a CSV whose columns a small TOML names.

    name = "Bray et al. 2023"
    design = "single"              # or "2afc"
    [columns]
    participant = "ppantID"        # ours = theirs
    correct = "correct"
    [values.correct]               # theirs = ours, where they differ
    incorrect = false
    [constants]
    arm = "control"                # a column they do not have

Blank lines are skipped. A line without a value that is needed is left out and named. A value that makes no
sense refuses the file, with its line.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.analysis.table import COLUMNS, NEEDED, Decisions, Design
from app.errors import BadInput
from saliency.text_files import TextFileError, csv_rows, decode_text, encoding_of, read_toml

SHOWN: Final = 8
LARGEST_BYTES: Final = 500_000_000
NUMBERS: Final = ("position", "decision_ms", "annotation_ms", "area")
YES_NO: Final = {"true": 1.0, "1": 1.0, "1.0": 1.0, "yes": 1.0, "correct": 1.0,
                 "false": 0.0, "0": 0.0, "0.0": 0.0, "no": 0.0, "incorrect": 0.0, "wrong": 0.0}  # fmt: skip
WORDS: Final[dict[str, dict[Design, tuple[str, str]]]] = {
    "choice": {"2afc": ("left", "right"), "single": ("real", "fake")},
    "answer": {"2afc": ("left", "right"), "single": ("real", "fake")},
    "question": {"2afc": ("real", "fake"), "single": ("real", "fake")},
}

Value = str | int | float | bool


class ColumnMap(BaseModel):
    """How the columns of a file are read; see the module."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    design: Design
    encoding: str | None = None
    """None: UTF-16 by its mark, otherwise UTF-8, and Windows-1252 for the lines that are not."""
    delimiter: str = Field(",", min_length=1, max_length=1)
    missing: frozenset[str] = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None", "."})
    same_items: bool = False
    """Whether pair or image names mean the same pictures as in the study that it is compared with."""
    columns: dict[str, str]
    values: dict[str, dict[str, Value]] = {}
    constants: dict[str, Value] = {}
    paints: frozenset[str] = frozenset()
    """Arms that painted."""
    simulated: bool = False
    """Whether programs decided, not people."""


@dataclass(frozen=True, slots=True)
class Outside:
    """A file as a table of decisions, and what had to be left out or repaired."""

    name: str
    decisions: Decisions
    same_items: bool
    notes: tuple[str, ...]
    inputs_hash: str
    simulated: bool = False


@dataclass(slots=True)
class _Lines:
    """Lines with the same thing to say of them."""

    seen: dict[str, list[int]] = field(default_factory=dict)

    def add(self, what: str, line: int) -> None:
        self.seen.setdefault(what, []).append(line)

    def notes(self) -> Iterator[str]:
        for what, lines in self.seen.items():
            shown = ", ".join(map(str, lines[:SHOWN]))
            more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
            yield f"{what}: line{'' if len(lines) == 1 else 's'} {shown}{more}."


def read_mapping(path: Path) -> ColumnMap:
    """The TOML that says what the columns of a file are."""
    try:
        found = ColumnMap.model_validate(read_toml(path))
    except TextFileError as error:
        raise BadInput(str(error)) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
    given = [*found.columns, *found.constants]
    for name in [*given, *found.values]:
        if name not in COLUMNS:
            raise BadInput(f"{path}: there is no column {name}; there are {', '.join(COLUMNS)}.")
    for name in NEEDED:
        if name not in given and not (name == "correct" and {"choice", "answer"} <= set(given)):
            raise BadInput(f"{path}: [columns] must say which column is {name}.")
    return found


def read_outside(path: Path, mapping: ColumnMap) -> Outside:
    """Read a file of decisions.

    Raises `BadInput` with the line where the file cannot be used.
    """
    if path.stat().st_size > LARGEST_BYTES:
        raise BadInput(f"{path} is larger than {LARGEST_BYTES // 1_000_000} MB.")
    data = path.read_bytes()
    lines = _Lines()
    text = _text(data, mapping, path, lines)
    rows = [row for row in _rows(text, mapping, path, lines) if row is not None]
    if not rows:
        raise BadInput(f"{path} has no decision that can be used. {' '.join(lines.notes())}".rstrip())
    frame = pd.DataFrame.from_records(rows)
    _name_twice(frame, lines)
    digest = hashlib.sha256(data + mapping.model_dump_json().encode()).hexdigest()
    decisions = Decisions(frame.drop(columns="line"), mapping.design, mapping.paints)
    notes = tuple(lines.notes())
    return Outside(mapping.name, decisions, mapping.same_items, notes, digest, mapping.simulated)


def _text(data: bytes, mapping: ColumnMap, path: Path, lines: _Lines) -> str:
    """A file's text; the lines that are not UTF-8 are read as Windows-1252 and named."""
    try:
        return decode_text(data, name=str(path), encoding=mapping.encoding)
    except TextFileError as error:
        if mapping.encoding or encoding_of(data) != "utf-8" or b"\0" in data:
            raise BadInput(str(error)) from None
    found = []
    for number, line in enumerate(data.splitlines(keepends=True), start=1):  # of bytes: \n, \r and \r\n alone
        try:
            found.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            found.append(line.decode("cp1252", errors="replace"))
            lines.add("Not UTF-8, read as Windows-1252", number)
    return "".join(found)


def _rows(text: str, mapping: ColumnMap, path: Path, lines: _Lines) -> Iterator[dict[str, Any] | None]:
    rows = csv_rows(text, name=str(path), separator=mapping.delimiter)
    try:
        _, header = next(rows, (1, []))
        places = _places(header, mapping, path)
        for line, row in rows:
            where = f"{path}, line {line}"
            if len(row) != len(header):
                raise BadInput(f"{where}: {len(row)} cells, but the header has {len(header)}.")
            yield _decision(row, places, mapping, where, line, lines)
    except TextFileError as error:
        raise BadInput(str(error)) from None


def _places(header: list[str], mapping: ColumnMap, path: Path) -> dict[str, int]:
    places = {}
    for ours, theirs in mapping.columns.items():
        if header.count(theirs) != 1:
            what = "has no column" if theirs not in header else "has more than one column"
            shown = ", ".join(header[:12]) or "nothing"
            raise BadInput(f"{path} {what} {theirs}; its header is: {shown}.")
        places[ours] = header.index(theirs)
    return places


def _decision(
    row: list[str], places: Mapping[str, int], mapping: ColumnMap, where: str, line: int, lines: _Lines
) -> dict[str, Any] | None:
    """One line; None, and named, when something that is needed is missing."""
    found: dict[str, Any] = {"line": line}
    for name in [*places, *mapping.constants]:
        given = row[places[name]] if name in places else mapping.constants[name]
        if isinstance(given, str) and given in mapping.missing:
            if name in NEEDED:
                lines.add(f"Left out, no value for {name}", line)
                return None
            found[name] = None
            continue
        found[name] = _value(name, given, mapping, where)
    if "correct" not in found:
        if found["choice"] is None or found["answer"] is None:
            lines.add("Left out, no choice or no answer", line)
            return None
        found["correct"] = float(found["choice"] == found["answer"])
    if "answer" not in found and found.get("choice"):
        found["answer"] = _answer(found, mapping.design)
    return found


def _answer(found: Mapping[str, Any], design: Design) -> str:
    one, other = WORDS["answer"][design]
    right = found["choice"] == one if found["correct"] else found["choice"] == other
    return one if right else other


def _value(name: str, given: Value, mapping: ColumnMap, where: str) -> Any:
    table = mapping.values.get(name, {})
    told: Value = table.get(str(given), given)
    text = str(told).strip()
    if name == "correct":
        if (number := YES_NO.get(text.lower())) is None:
            raise BadInput(f"{where}: {given!r} in the column for correct is neither true nor false.")
        return number
    if name in NUMBERS:
        return _number(name, text, where)
    if name in WORDS and text not in WORDS[name][mapping.design]:
        allowed = " or ".join(WORDS[name][mapping.design])
        raise BadInput(
            f"{where}: {given!r} in the column for {name} is not {allowed}; [values.{name}] may say."
        )
    return text


def _number(name: str, text: str, where: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 0 <= number < float("inf"):
        raise BadInput(f"{where}: {text!r} in the column for {name} is not a number from 0 on.")
    return number


def _name_twice(frame: pd.DataFrame, lines: _Lines) -> None:
    """The same participant and item twice is named and kept: some designs repeat."""
    if "item" not in frame:
        return
    for line in frame.loc[frame.duplicated(["participant", "item", "arm"]), "line"]:
        lines.add("The same participant and picture once more, kept", int(line))


def beside(study: Decisions | None, others: Iterable[Outside]) -> Decisions:
    """A study and files as arms of one table. Participants of different origins are different people;
    pictures too, unless the file says that its names mean the study's."""
    frames = [study.frame.assign(item=study.frame["item"].astype(str))] if study is not None else []
    designs: set[Literal["2afc", "single"]] = {study.design} if study is not None else set()
    paints = study.paints if study is not None else frozenset()
    for other in others:
        frame = other.decisions.frame.assign(simulated=other.simulated)
        prefix = f"{other.name}: "
        for name in ("participant", "arm", *(() if other.same_items else ("item",))):
            if name in frame:
                frame[name] = prefix + frame[name].astype(str)
        frames.append(frame)
        designs.add(other.decisions.design)
        paints |= {prefix + arm for arm in other.decisions.paints}
    if len(designs) != 1:
        raise ValueError("tables of different designs")
    return Decisions(pd.concat(frames, ignore_index=True), designs.pop(), paints)
