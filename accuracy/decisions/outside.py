"""Decisions collected elsewhere: a CSV, as `accuracy.decisions.mapping` says what its columns are.

Blank lines are skipped. A line without a value that is needed is left out and counted. A value that makes no
sense refuses the file, with its line.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd

from accuracy.decisions.mapping import ColumnMap, Join
from accuracy.decisions.table import NEEDED, Decisions, Design
from accuracy.errors import DecisionsError
from saliency.files.text import (
    SEPARATORS,
    TextFileError,
    csv_rows,
    decode_text,
    encoding_of,
    header_of,
    separator_of,
)

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
Rows = Iterator[tuple[int, list[str]]]
"""Line and cells of each row."""


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
            s = "" if len(lines) == 1 else "s"
            yield f"{len(lines)} line{s} {what} (line{s} {shown}{more})."


def read_outside(path: Path, mapping: ColumnMap) -> Outside:
    """Read a file of decisions, and the table that is joined to it.

    Raises `DecisionsError` with the line where a file cannot be used.
    """
    lines = _Lines()
    data, joined = _bytes(path), b""
    wanted = mapping.columns.values()
    table = _table(data, path, mapping, lines, wanted)
    if mapping.join:
        beside = path.parent / mapping.join.file
        joined = _bytes(beside)
        other = _table(joined, beside, mapping.join, lines, [*wanted, mapping.join.theirs])
        table = _joined(table, other, mapping.join, lines)
    reader = _Reader(mapping, _places(table, mapping.columns), table.name, lines)
    rows = [row for row in map(reader.decision, table.rows()) if row is not None]
    if not rows:
        raise DecisionsError(f"{path} has no decision that can be used. {' '.join(lines.notes())}".rstrip())
    frame = pd.DataFrame.from_records(rows)
    _name_twice(frame, lines)
    digest = hashlib.sha256(data + joined + mapping.model_dump_json().encode()).hexdigest()
    decisions = Decisions(frame.drop(columns="line"), mapping.design, mapping.paints)
    notes = tuple(lines.notes())
    return Outside(mapping.name, decisions, mapping.same_items, notes, digest, mapping.simulated)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DecisionsError(f"{path} is larger than {LARGEST_BYTES // 1_000_000} MB.")
        return path.read_bytes()
    except OSError as error:
        raise DecisionsError(f"{path} cannot be read: {error.strerror}.") from None


@dataclass(frozen=True, slots=True)
class _Table:
    """A CSV file, or two that were joined: its header and the rows below it, as long as the header each."""

    name: str
    """What errors call it."""
    header: Sequence[str]
    body: Rows
    text: str
    """Of the first file, to see what another separator would give."""

    def rows(self) -> Rows:
        try:
            for line, row in self.body:
                if len(row) != len(self.header):
                    raise DecisionsError(
                        f"{self.name}, line {line}: {len(row)} cells, but the header has {len(self.header)}."
                    )
                yield line, row
        except TextFileError as error:
            raise DecisionsError(str(error)) from None

    def column(self, name: str) -> int:
        """Which column has this name; `DecisionsError` where none or more than one has."""
        if self.header.count(name) == 1:
            return self.header.index(name)
        what = "has more than one column" if name in self.header else "has no column"
        shown = ", ".join(self.header[:12]) or "nothing"
        raise DecisionsError(
            f"{self.name} {what} {name}; its header is: {shown}.{self._other_separator(name)}"
        )

    def _other_separator(self, name: str) -> str:
        for separator, words in SEPARATORS.items():
            if name not in self.header and name in header_of(self.text, separator):
                return f" {words.capitalize()} separate its columns: say delimiter = {json.dumps(separator)}."
        return ""


def _table(data: bytes, path: Path, told: ColumnMap | Join, lines: _Lines, wanted: Iterable[str]) -> _Table:
    text = _text(data, path, told.encoding, lines)
    separator = told.delimiter or separator_of(text, known={name.lower() for name in wanted})
    body = csv_rows(text, name=str(path), separator=separator)
    try:
        _, header = next(body, (1, []))
    except TextFileError as error:
        raise DecisionsError(str(error)) from None
    return _Table(str(path), header, body, text)


def _text(data: bytes, path: Path, encoding: str | None, lines: _Lines) -> str:
    """A file's text; the lines that are not UTF-8 are read as Windows-1252 and named."""
    try:
        return decode_text(data, name=str(path), encoding=encoding)
    except TextFileError as error:
        if encoding or encoding_of(data) != "utf-8" or b"\0" in data:
            raise DecisionsError(str(error)) from None
    found = []
    for number, line in enumerate(data.splitlines(keepends=True), start=1):  # of bytes: \n, \r and \r\n alone
        try:
            found.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            found.append(line.decode("cp1252", errors="replace"))
            lines.add(f"of {path.name} not in UTF-8, read as Windows-1252", number)
    return "".join(found)


def _joined(table: _Table, other: _Table, join: Join, lines: _Lines) -> _Table:
    """The first table with the columns of the second, empty where that has no row."""
    here, there = table.column(join.on), other.column(join.theirs)
    found: dict[str, list[str]] = {}
    for line, row in other.rows():
        key = row.pop(there)
        if key in found:
            raise DecisionsError(f"{other.name}, line {line}: {join.theirs} {key} has a row above.")
        found[key] = row
    more = [name for at, name in enumerate(other.header) if at != there]

    def body() -> Rows:
        for line, row in table.rows():
            if row[here] not in found:
                lines.add(f"without a row in {join.file}", line)
            yield line, row + found.get(row[here], [""] * len(more))

    return _Table(f"{table.name} with {join.file}", [*table.header, *more], body(), table.text)


def _places(table: _Table, columns: Mapping[str, str]) -> dict[str, int]:
    return {ours: table.column(theirs) for ours, theirs in columns.items()}


@dataclass(frozen=True, slots=True)
class _Reader:
    """Rows become decisions."""

    mapping: ColumnMap
    places: Mapping[str, int]
    name: str
    lines: _Lines

    def decision(self, row: tuple[int, list[str]]) -> dict[str, Any] | None:
        """One row; None, and counted, when something that is needed is missing."""
        line, cells = row
        texts = {name: self._told(name, cells[place]) for name, place in self.places.items()}
        texts |= {name: str(value).strip() for name, value in self.mapping.constants.items()}
        needed = [*NEEDED[:-1], *(["correct"] if "correct" in texts else ["choice", "answer"])]
        if (lacking := next((name for name in needed if not texts[name]), None)) is not None:
            self.lines.add(f"left out, no value for {lacking}", line)
            return None
        where = f"{self.name}, line {line}"
        found = {name: self._value(name, text, where) if text else None for name, text in texts.items()}
        for name in (name for name, text in texts.items() if not text):
            self.lines.add(f"without a value for {name}", line)
        if "correct" not in found:
            found["correct"] = float(found["choice"] == found["answer"])
        if "answer" not in found and found.get("choice"):
            found["answer"] = _answer(found, self.mapping.design)
        return {"line": line, **found}

    def _told(self, name: str, cell: str) -> str:
        """What a cell says in our words; empty for no value."""
        if self.mapping.is_missing(name, cell):
            return ""
        return str(self.mapping.values.get(name, {}).get(cell, cell)).strip()

    def _value(self, name: str, text: str, where: str) -> Any:
        if name == "correct":
            if (number := YES_NO.get(text.lower().replace(",", "."))) is None:
                raise DecisionsError(
                    f"{where}: {text!r} in the column for correct is neither true nor false."
                )
            return number
        if name in NUMBERS:
            return _number(name, text, where, self.mapping.decimal if name in self.places else ".")
        if name in WORDS and text not in WORDS[name][self.mapping.design]:
            allowed = " or ".join(WORDS[name][self.mapping.design])
            raise DecisionsError(
                f"{where}: {text!r} in the column for {name} is not {allowed}; [values.{name}] may say."
            )
        return text


def _answer(found: Mapping[str, Any], design: Design) -> str:
    one, other = WORDS["answer"][design]
    right = found["choice"] == one if found["correct"] else found["choice"] == other
    return one if right else other


def _number(name: str, text: str, where: str, decimal: str) -> float:
    other = "," if decimal == "." else "."
    try:
        number = float("nan" if other in text else text.replace(decimal, "."))
    except ValueError:
        number = float("nan")
    if not 0 <= number < float("inf"):
        hint = f'; say decimal = "{other}" where that is the decimal mark' if other in text else ""
        raise DecisionsError(f"{where}: {text!r} in the column for {name} is not a number from 0 on{hint}.")
    return number


def _name_twice(frame: pd.DataFrame, lines: _Lines) -> None:
    """The same participant and item twice is named and kept: some designs repeat."""
    if "item" not in frame:
        return
    for line in frame.loc[frame.duplicated(["participant", "item", "arm"]), "line"]:
        lines.add("with the same participant and picture once more, kept", int(line))


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
