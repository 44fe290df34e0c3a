"""A CSV of decisions, read as a `ColumnMap` says what its columns are.

Blank lines are skipped. A line without a value that is needed is left out and counted. A value that makes no
sense refuses the file, with its line.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

NAMED_LINES: Final = 8
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
class DecisionFile:
    """A file as a table of decisions, and what had to be left out or repaired."""

    name: str
    decisions: Decisions
    same_items: bool
    """Whether its pictures have the names of the study that it is compared with."""
    notes: tuple[str, ...]
    inputs_hash: str
    simulated: bool = False


@dataclass(slots=True)
class _LineNotes:
    """Numbers of lines by what was noted of them."""

    noted: dict[str, list[int]] = field(default_factory=dict)

    def add(self, what: str, line: int) -> None:
        self.noted.setdefault(what, []).append(line)

    def sentences(self) -> Iterator[str]:
        for what, lines in self.noted.items():
            named = ", ".join(map(str, lines[:NAMED_LINES]))
            more = f" and {len(lines) - NAMED_LINES} more" if len(lines) > NAMED_LINES else ""
            s = "" if len(lines) == 1 else "s"
            yield f"{len(lines)} line{s} {what} (line{s} {named}{more})."


def read_decision_file(
    path: Path,
    mapping: ColumnMap,
    *,
    keep: Callable[[Mapping[str, str]], bool] | None = None,
    gaps_are_usual: bool = False,
) -> DecisionFile:
    """Read a file of decisions, and the table that is joined to it.

    keep : which rows count, by the names of their columns; all if None
    gaps_are_usual : a value that is not needed may be missing without a note
    Raises `DecisionsError` with the line where a file cannot be used.
    """
    lines = _LineNotes()
    data, joined = _bytes(path), b""
    wanted = mapping.columns.values()
    table = _table(data, path, mapping, lines, wanted)
    if mapping.join:
        beside = path.parent / mapping.join.file
        joined = _bytes(beside)
        other = _table(joined, beside, mapping.join, lines, [*wanted, mapping.join.theirs])
        table = _joined(table, other, mapping.join, lines)
    if keep is not None:
        table = table.rows_that(keep)
    positions = {name: table.column(their_name) for name, their_name in mapping.columns.items()}
    reader = _RowReader(mapping, positions, table.name, lines, gaps_are_usual=gaps_are_usual)
    rows = [row for row in map(reader.decision, table.rows()) if row is not None]
    if not rows:
        raise DecisionsError(
            f"{path} has no decision that can be used. {' '.join(lines.sentences())}".rstrip()
        )
    frame = pd.DataFrame.from_records(rows)
    _note_repetitions(frame, lines)
    digest = hashlib.sha256(data + joined + mapping.model_dump_json().encode()).hexdigest()
    decisions = Decisions(frame.drop(columns="line"), mapping.design, mapping.paints)
    notes = tuple(lines.sentences())
    return DecisionFile(mapping.name, decisions, mapping.same_items, notes, digest, mapping.simulated)


def read_rows(path: Path, *, known: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV by the names of its columns; `known` are columns that tell what separates them.

    Raises `DecisionsError` where the file cannot be read.
    """
    lines = _LineNotes()
    text = _text(_bytes(path), path, None, lines)
    table = _parsed(text, path, separator_of(text, known={name.lower() for name in known}))
    return [dict(zip(table.header, row, strict=True)) for _, row in table.rows()]


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise DecisionsError(f"{path} is larger than {LARGEST_BYTES // 1_000_000} MB.")
        return path.read_bytes()
    except OSError as error:
        raise DecisionsError(f"{path} cannot be read: {error.strerror}.") from None


@dataclass(frozen=True, slots=True)
class _CsvTable:
    """A CSV file, or two that were joined: its header and the rows below it, each as long as the header."""

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

    def rows_that(self, keep: Callable[[Mapping[str, str]], bool]) -> "_CsvTable":
        """The table with some of its rows; `keep` gets each by the names of its columns."""
        rows = ((line, row) for line, row in self.rows() if keep(dict(zip(self.header, row, strict=True))))
        return replace(self, body=rows)

    def column(self, name: str) -> int:
        """Which column has this name; `DecisionsError` where none or more than one has."""
        if self.header.count(name) == 1:
            return self.header.index(name)
        what = "has more than one column" if name in self.header else "has no column"
        header = ", ".join(self.header[:12]) or "nothing"
        raise DecisionsError(
            f"{self.name} {what} {name}; its header is: {header}.{self._other_separator(name)}"
        )

    def _other_separator(self, name: str) -> str:
        for separator, words in SEPARATORS.items():
            if name not in self.header and name in header_of(self.text, separator):
                return f" {words.capitalize()} separate its columns: say delimiter = {json.dumps(separator)}."
        return ""


def _table(
    data: bytes, path: Path, layout: ColumnMap | Join, lines: _LineNotes, wanted: Iterable[str]
) -> _CsvTable:
    text = _text(data, path, layout.encoding, lines)
    return _parsed(
        text, path, layout.delimiter or separator_of(text, known={name.lower() for name in wanted})
    )


def _parsed(text: str, path: Path, separator: str) -> _CsvTable:
    body = csv_rows(text, name=str(path), separator=separator)
    try:
        _, header = next(body, (1, []))
    except TextFileError as error:
        raise DecisionsError(str(error)) from None
    return _CsvTable(str(path), header, body, text)


def _text(data: bytes, path: Path, encoding: str | None, lines: _LineNotes) -> str:
    """A file's text; the lines that are not UTF-8 are read as Windows-1252 and named."""
    try:
        return decode_text(data, name=str(path), encoding=encoding)
    except TextFileError as error:
        if encoding or encoding_of(data) != "utf-8" or b"\0" in data:
            raise DecisionsError(str(error)) from None
    texts = []
    for number, line in enumerate(data.splitlines(keepends=True), start=1):  # of bytes: \n, \r and \r\n alone
        try:
            texts.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            texts.append(line.decode("cp1252", errors="replace"))
            lines.add(f"of {path.name} not in UTF-8, read as Windows-1252", number)
    return "".join(texts)


def _joined(table: _CsvTable, other: _CsvTable, join: Join, lines: _LineNotes) -> _CsvTable:
    """The first table with the columns of the second, empty where that has no row."""
    key_column, other_key_column = table.column(join.on), other.column(join.theirs)
    row_of: dict[str, list[str]] = {}
    for line, row in other.rows():
        key = row.pop(other_key_column)
        if key in row_of:
            raise DecisionsError(f"{other.name}, line {line}: {join.theirs} {key} has a row above.")
        row_of[key] = row
    more = [name for column, name in enumerate(other.header) if column != other_key_column]

    def body() -> Rows:
        for line, row in table.rows():
            if row[key_column] not in row_of:
                lines.add(f"without a row in {join.file}", line)
            yield line, row + row_of.get(row[key_column], [""] * len(more))

    return _CsvTable(f"{table.name} with {join.file}", [*table.header, *more], body(), table.text)


@dataclass(frozen=True, slots=True)
class _RowReader:
    """Makes decisions of rows."""

    mapping: ColumnMap
    positions: Mapping[str, int]
    """Where in a row each of our columns is."""
    name: str
    lines: _LineNotes
    gaps_are_usual: bool

    def decision(self, row: tuple[int, list[str]]) -> dict[str, Any] | None:
        """One row; None, and counted, when something that is needed is missing."""
        line, cells = row
        texts = {name: self._text(name, cells[position]) for name, position in self.positions.items()}
        texts |= {name: str(value).strip() for name, value in self.mapping.constants.items()}
        needed = [*NEEDED[:-1], *(["correct"] if "correct" in texts else ["choice", "answer"])]
        if (missing := next((name for name in needed if not texts[name]), None)) is not None:
            self.lines.add(f"left out, no value for {missing}", line)
            return None
        where = f"{self.name}, line {line}"
        values = {name: self._value(name, text, where) if text else None for name, text in texts.items()}
        for name in (name for name, text in texts.items() if not text and not self.gaps_are_usual):
            self.lines.add(f"without a value for {name}", line)
        if "correct" not in values:
            values["correct"] = float(values["choice"] == values["answer"])
        if "answer" not in values and values.get("choice"):
            values["answer"] = _answer(values, self.mapping.design)
        return {"line": line, **values}

    def _text(self, name: str, cell: str) -> str:
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
            return _number(name, text, where, self.mapping.decimal if name in self.positions else ".")
        if name in WORDS and text not in WORDS[name][self.mapping.design]:
            allowed = " or ".join(WORDS[name][self.mapping.design])
            raise DecisionsError(
                f"{where}: {text!r} in the column for {name} is not {allowed}; [values.{name}] may say."
            )
        return text


def _answer(values: Mapping[str, Any], design: Design) -> str:
    """The correct choice, from a choice and whether it was correct."""
    one, other = WORDS["answer"][design]
    is_one = values["choice"] == (one if values["correct"] else other)
    return one if is_one else other


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


def _note_repetitions(frame: pd.DataFrame, lines: _LineNotes) -> None:
    """Note the lines with a participant and item of a line above. They are kept: some designs repeat."""
    if "item" not in frame:
        return
    for line in frame.loc[frame.duplicated(["participant", "item", "arm"]), "line"]:
        lines.add("with the same participant and picture once more, kept", int(line))


def side_by_side(study: Decisions | None, others: Iterable[DecisionFile]) -> Decisions:
    """A study and files as arms of one table; ValueError if their designs differ.

    Participants of different files are different people; pictures are different too, unless the file says
    that their names are those of the study.
    """
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
