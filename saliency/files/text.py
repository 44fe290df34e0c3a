"""Text files that people made with their own programs: encodings, byte order marks, separators, CSV, TOML.

Every table and every description that a user hands in is read through here, so that a file means the same
wherever it is given. Files that this project has written are read as they were written.
"""

import codecs
import csv
import io
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

MARK: Final = "\ufeff"
"""The byte order mark, which Windows programs write in front of UTF-8."""
SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
"""Commas come last: beside another separator they are decimal marks."""


class TextFileError(ValueError):
    """A text cannot be read; the message names the file and, where there is one, the line."""


def read_text(path: Path, *, encoding: str | None = None) -> str:
    """Return the text of a file, as `decode_text` does."""
    try:
        return decode_text(path.read_bytes(), name=str(path), encoding=encoding)
    except OSError as error:
        raise TextFileError(f"{path} cannot be read: {error.strerror}.") from None


def decode_text(content: bytes, *, name: str, encoding: str | None = None) -> str:
    """Return bytes as text, without a byte order mark.

    Parameters
    ----------
    content : what a file holds
    name : what errors call the file
    encoding : None takes UTF-16 where its mark says so, and UTF-8 otherwise

    Raises
    ------
    TextFileError
        The bytes are no text of that encoding, or hold a NUL; the message names the line.
    """
    codec = encoding or encoding_of(content)
    try:
        text = content.decode(codec).removeprefix(MARK)
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(codec, errors="ignore").count("\n") + 1
        way = "" if encoding else "; save the file as UTF-8"
        raise TextFileError(f"{name}, line {line}: this is not {codec.upper()} text{way}.") from None
    except LookupError:
        raise TextFileError(f"{name}: there is no encoding called {encoding}.") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise TextFileError(f"{name}, line {line}: a NUL character; this is not a text file.")
    return text


def encoding_of(content: bytes) -> str:
    """UTF-16 where its mark says so, otherwise UTF-8."""
    return "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"


def read_csv(
    path: Path, *, required: Collection[str], known: Collection[str] = ()
) -> list[tuple[str, dict[str, str]]]:
    """Return the rows of a CSV file by the names of its columns, each after what errors call it.

    Parameters
    ----------
    path : text as `decode_text` takes it, with any of `SEPARATORS`
    required : columns that the header must have
    known : columns that it may have; others are there, too

    Raises
    ------
    TextFileError
        There is no such text, a required column is not there, a column is there twice, or a row has more or
        fewer cells than the header.
    """
    text = read_text(path)
    rows = csv_rows(text, name=str(path), separator=separator_of(text, known={*required, *known}))
    _, header = next(rows, (1, []))
    if missing := [name for name in required if name not in header]:
        raise TextFileError(f"{path}: the header has no {missing[0]}.")
    if twice := [name for name in header if header.count(name) > 1]:
        raise TextFileError(f"{path}: the header has {twice[0]} twice.")
    return [(f"{path}, line {line}", _record(header, row, f"{path}, line {line}")) for line, row in rows]


def _record(header: list[str], row: list[str], where: str) -> dict[str, str]:
    if len(row) != len(header):
        raise TextFileError(f"{where}: {len(row)} cells, but the header has {len(header)}.")
    return dict(zip(header, row, strict=True))


def csv_rows(text: str, *, name: str, separator: str = ",") -> Iterator[tuple[int, list[str]]]:
    r"""Yield the rows of a CSV text that are not blank, each with the line that it ends on, from 1.

    A row ends with \n, \r or \r\n outside of quotes and with nothing else: other line separators of Unicode
    (U+0085, U+2028, vertical tab, form feed) are characters of a cell. Cells come without spaces around them.

    Raises
    ------
    TextFileError
        The quotes do not fit, or a cell is larger than 128 kB; the message names the line.
    """
    # newline="": line ends inside of quotes stay as they are, and the reader counts the lines itself.
    reader = csv.reader(io.StringIO(text.removeprefix(MARK), newline=""), delimiter=separator, strict=True)
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if any(row):
                yield reader.line_num, row
    except csv.Error as error:
        raise TextFileError(f"{name}, line {max(reader.line_num, 1)}: {error}.") from None


def separator_of(text: str, *, known: Collection[str] = ()) -> str:
    """Return what separates the cells of a CSV text, judged by its first row and outside of quotes.

    Parameters
    ----------
    text : a CSV text; one without any separator gives any
    known : names that a header may hold, in lower case. The separator that shows most of them wins, then the
        one that makes most cells, then the first of `SEPARATORS`
    """

    def promise(separator: str) -> tuple[int, int]:
        cells = header_of(text, separator)
        return len({cell.lower() for cell in cells}.intersection(known)), len(cells)

    return max(SEPARATORS, key=promise)


def header_of(text: str, separator: str) -> list[str]:
    """Return the cells of the first row; none where there is no row, or where its quotes do not fit."""
    try:
        return next(csv_rows(text, name="", separator=separator), (0, []))[1]
    except TextFileError:
        return []


def read_toml(path: Path) -> dict[str, Any]:
    """Return what a TOML file says, with or without a byte order mark."""
    return parse_toml(read_text(path), name=str(path))


def parse_toml(text: str, *, name: str) -> dict[str, Any]:
    """Return what a TOML text says; `name` is what errors call it."""
    try:
        return tomllib.loads(text.removeprefix(MARK))
    except tomllib.TOMLDecodeError as error:
        raise TextFileError(f"{name} is not valid TOML: {error}.") from None
