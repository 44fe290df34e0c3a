"""An export as it is read back: a folder or a ZIP archive, whole and unchanged, with typed rows."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, Protocol, Self, cast

from app.errors import BadInput
from app.exports.archives import SUMS
from app.exports.dictionary import ExportField, ExportFile, FieldType
from saliency.files.spreadsheets import original

Row = dict[str, Any]

READ_BYTES: Final = 1 << 20
LARGEST_CELL: Final = 1 << 24  # csv's own limit is 128 KB; a region may have many corners


class Record(dict[str, Any]):
    """A row or an object of an export, which may be older than some of its columns.

    A column that is absent and may be empty is empty. Any other is missed only by who asks for it.
    """

    def __init__(self, file: str, values: Row) -> None:
        super().__init__(values)
        self.file = file

    def __missing__(self, name: str) -> Any:
        raise BadInput(f"{self.file} has no {name}: this export is of a version that cannot be imported.")


class Place(Protocol):
    """What a folder and an archive have in common."""

    @property
    def name(self) -> str: ...
    def joinpath(self, name: str, /) -> Self: ...
    def iterdir(self) -> Iterator[Self]: ...
    def is_file(self) -> bool: ...
    def is_dir(self) -> bool: ...


class OpenedExport:
    """An export, every file of which is what its sums say."""

    def __init__(self, root: Place) -> None:
        self._root = root
        self.names = self._checked()

    def _checked(self) -> frozenset[str]:
        """The names of its files; BadInput where one is missing or is not what was written."""
        sums = self._root.joinpath(SUMS)
        if not sums.is_file():
            raise BadInput(
                f"There is no {SUMS}: this is no export, or one of an earlier version, "
                "which cannot be imported."
            )
        digests = dict(_sum_of(line) for line in self.bytes_of(SUMS).decode("utf-8", "replace").splitlines())
        for name, digest in digests.items():
            if not self._root.joinpath(name).is_file():
                raise BadInput(f"The export is damaged: {name} is missing.")
            if self._digest(name) != digest:
                raise BadInput(f"The export is damaged: {name} is not what was written.")
        return frozenset(digests)

    def _digest(self, name: str) -> str:
        digest = hashlib.sha256()
        with self._open(name) as stream:
            while chunk := stream.read(READ_BYTES):
                digest.update(chunk)
        return digest.hexdigest()

    def _open(self, name: str) -> IO[bytes]:
        return cast("IO[bytes]", cast("Path", self._root.joinpath(name)).open("rb"))

    def bytes_of(self, name: str) -> bytes:
        with self._open(name) as stream:
            return stream.read()

    def document(self, file: ExportFile) -> Row:
        """A file that is one JSON object, with its times as times."""
        with _naming(file.name):
            return _object(json.loads(self.bytes_of(file.name)), file)

    def rows(self, file: ExportFile) -> Iterator[Row]:
        """The rows of a table, with the types of the dictionary."""
        csv.field_size_limit(LARGEST_CELL)
        with _naming(file.name), io.TextIOWrapper(self._open(file.name), "utf-8", newline="") as text:
            reader = csv.DictReader(text, strict=True)
            there, absent = _columns(file, reader.fieldnames or ())
            for row in reader:
                yield Record(file.name, absent | {one.name: _from_cell(row[one.name], one) for one in there})

    def lines(self, file: ExportFile) -> Iterator[Row]:
        """The objects of a file of JSON lines."""
        with self._open(file.name) as stream, _naming(file.name):
            for line in stream:
                yield _object(json.loads(line), file)


@contextmanager
def opened_export(path: Path) -> Iterator[OpenedExport]:
    """The export in a folder or a ZIP archive; BadInput when there is none, or when it is damaged."""
    if path.is_dir():
        yield OpenedExport(cast("Place", path))
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield OpenedExport(_top(archive))
    except FileNotFoundError:
        raise BadInput(f"There is no {path}.") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError):
        raise BadInput(f"{path} is neither a folder nor a whole ZIP archive.") from None


def _top(archive: zipfile.ZipFile) -> Place:
    """The only folder of an archive, or the archive itself."""
    root = zipfile.Path(archive)
    inside = list(root.iterdir())
    return cast("Place", inside[0] if len(inside) == 1 and inside[0].is_dir() else root)


def _sum_of(line: str) -> tuple[str, str]:
    digest, _, name = line.partition("  ")
    if name.startswith("/") or ".." in Path(name).parts or not name:
        raise BadInput(f"The export is damaged: {SUMS} has a line {line!r}.")
    return name, digest


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Name the file in the error about something in it that cannot be read."""
    try:
        yield
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise BadInput(f"{name} cannot be read: {type(error).__name__} {error}") from error


def _columns(file: ExportFile, present: Collection[str]) -> tuple[list[ExportField], Row]:
    """The columns that are there, and the empty values of those that are not and may be empty."""
    there = [one for one in file.fields if one.name in present]
    return there, {one.name: None for one in file.fields if one.name not in present and one.may_be_empty}


def _object(values: Row, file: ExportFile) -> Record:
    there, absent = _columns(file, values)
    return Record(file.name, absent | {one.name: _from_json(values[one.name], one) for one in there})


def _from_cell(cell: str, field: ExportField) -> Any:
    """A cell as the dictionary says that it is to be read."""
    if field.type is FieldType.TEXTS:
        return cell.split(" ") if cell else []
    if cell == "" and field.may_be_empty:
        return None
    return _READERS[field.type](cell)


def _from_json(value: Any, field: ExportField) -> Any:
    return datetime.fromisoformat(value) if field.type is FieldType.TIME and value is not None else value


def _truth(cell: str) -> bool:
    return {"true": True, "false": False}[cell]


def _json(cell: str) -> Any:
    return json.loads(original(cell))


_READERS: Final[Mapping[FieldType, Any]] = {
    FieldType.TEXT: original,
    FieldType.INTEGER: int,
    FieldType.NUMBER: float,
    FieldType.BOOLEAN: _truth,
    FieldType.TIME: datetime.fromisoformat,
    FieldType.JSON: _json,
}
