"""The images of an import: the rows of a CSV manifest, or the files of a folder."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from app.errors import BadInput
from app.models import Label, Split
from app.stimuli.image_archive import unpacked
from app.stimuli.names import Finder, plain
from saliency.files.text import SEPARATORS, TextFileError, csv_rows, decode_text, separator_of
from saliency.images.decoder import hidden_reason

REQUIRED: Final = ("path", "label", "source")
BOX: Final = ("x", "y", "w", "h")
COLUMNS: Final = (*REQUIRED, "split", "group", *BOX)
EXPECTED: Final = "path,label,source[,split][,group][,x,y,w,h]"
FAULTS_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face box in pixels of the upright picture; (x, y) is its top-left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Item:
    """One file to import, with its name in the manifest or folder."""

    path: Path
    name: str
    label: Label
    source: str
    split: Split | None = None
    group: str | None = None
    face: FaceBox | None = None
    where: str = ""
    """The line of the manifest that names it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was left out, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Manifest:
    items: tuple[Item, ...]
    refused: tuple[Refusal, ...] = ()


def source_of(label: Label, given: str) -> str:
    """The source of an image, which a fake must be given; empty where it is missing.

    A real image of no named set has the source `real`, however it is imported.
    """
    return given or ("real" if label is Label.REAL else "")


@contextmanager
def opened_listing(path: Path) -> Iterator[Manifest]:
    """As `read_listing`, also of a ZIP archive, whose files are there as long as the context is open.

    The only CSV file at the top of an archive is its manifest; without one it is read as a folder.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        yield read_listing(path)
        return
    with unpacked(path) as folder:
        manifest = only_manifest(entry.name for entry in folder.iterdir() if entry.is_file())
        try:
            listing = _read_archive(folder, manifest) if manifest else read_folder(folder)
        except BadInput as error:
            raise BadInput(str(error).replace(str(folder), str(path))) from None
        yield listing


def only_manifest(names: Iterable[str]) -> str | None:
    """The only CSV file among the files at the top of an archive or of an upload."""
    tables = [name for name in names if name.lower().endswith(".csv")]
    return tables[0] if len(tables) == 1 else None


def _read_archive(folder: Path, manifest: str) -> Manifest:
    """The images that the manifest of an unpacked archive names; the other files are refused by name."""
    items = read_manifest(folder / manifest)
    known = {item.path.resolve() for item in items} | {(folder / manifest).resolve()}
    others = [path for path in _files(folder) if path.resolve() not in known]
    return Manifest(items, tuple(unnamed(str(path.relative_to(folder)), manifest) for path in others))


def unnamed(name: str, manifest: str) -> Refusal:
    return Refusal(name, f"is left out: {manifest} does not name it.")


def read_listing(path: Path) -> Manifest:
    """The items of a manifest file or of a folder; `BadInput` when there is neither."""
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise BadInput(f"{path}: there is no such manifest or folder.")
    return Manifest(read_manifest(path))


def read_manifest(path: Path) -> tuple[Item, ...]:
    """The rows of a manifest; `BadInput` names its malformed lines."""
    items, faults = parse_manifest(read_content(path), name=str(path), finder=Finder(path.parent))
    if len(faults) > FAULTS_TOLD:
        faults = [*faults[:FAULTS_TOLD], f"{len(faults) - FAULTS_TOLD} further lines are malformed, too."]
    if faults:
        raise BadInput("\n".join(faults))
    return tuple(items)


def parse_manifest(content: bytes, *, name: str, finder: Finder) -> tuple[list[Item], list[str]]:
    """The rows of a manifest, and one sentence for each malformed line or for a manifest without rows."""
    items: list[Item] = []
    faults: list[str] = []
    try:
        for row in parse_rows(content, name=name, required=REQUIRED):
            try:
                items.append(_item(row, finder))
            except BadInput as fault:
                faults.append(str(fault))
    except BadInput as fault:  # a header or quotes that do not fit: what follows cannot be read
        faults.append(str(fault))
    if not items and not faults:
        faults.append(f"{name}: the manifest lists no image.")
    return items, faults


@dataclass(frozen=True)
class ManifestRow:
    """A line of a manifest; `where` names it in errors."""

    where: str
    header: Sequence[str]
    values: Sequence[str]
    decimal_comma: bool

    def refused(self, reason: str) -> BadInput:
        return BadInput(f"{self.where}: {reason}")

    def __getitem__(self, column: str) -> str:
        """A cell; empty where the file has no such column. `BadInput`: more or fewer cells than columns."""
        return self._cells.get(column, "")

    @cached_property
    def _cells(self) -> dict[str, str]:
        """The cells by column; empty cells behind the last column are ignored."""
        columns = len(self.header)
        if len(self.values) < columns or any(self.values[columns:]):
            raise self.refused(f"{len(self.values)} values where the header has {columns} columns.")
        return dict(zip(self.header, self.values, strict=False))

    @property
    def split(self) -> Split | None:
        text = self["split"].lower()
        if text and text not in set(Split):
            raise self.refused(f"the split is {self['split']!r}; it must be train, val, test or empty.")
        return Split(text) if text else None


def read_content(path: Path) -> bytes:
    """The bytes of a CSV file. `BadInput`: it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None


def parse_rows(content: bytes, *, name: str, required: Sequence[str]) -> Iterator[ManifestRow]:
    """The rows of a CSV file with the columns of a manifest, of which `required` must be there.

    name : of the file, in errors
    """
    try:
        text = decode_text(content, name=name)
        separator = separator_of(text, known=COLUMNS)
        rows = csv_rows(text, name=name, separator=separator)
        line, cells = next(rows, (1, []))
        header = _header(cells, separator, required, where=f"{name}, line {line}")
        for line, cells in rows:
            yield ManifestRow(f"{name}, line {line}", header, cells, decimal_comma=separator != ",")
    except TextFileError as error:
        raise BadInput(str(error)) from None


def _header(cells: list[str], separator: str, required: Sequence[str], *, where: str) -> list[str]:
    """The names of the columns; a spreadsheet may leave further ones without a name at the end."""
    header = [cell.lower() for cell in cells]
    while header and not header[-1]:
        header.pop()
    if missing := [column for column in required if column not in header]:
        actual = f", not {', '.join(header)!r} between {SEPARATORS[separator]}" if header else ""
        expected = EXPECTED if required == REQUIRED else ",".join(required)
        raise BadInput(f"{where}: the header lacks {', '.join(missing)}; it should be {expected}{actual}.")
    if unknown := [column for column in header if column not in COLUMNS]:
        raise BadInput(f"{where}: the column {unknown[0]!r} is unknown; known are {', '.join(COLUMNS)}.")
    if len(set(header)) < len(header):
        raise BadInput(f"{where}: a column appears twice in the header.")
    if 0 < len(set(BOX) & set(header)) < len(BOX):
        raise BadInput(f"{where}: a face box needs all four columns x, y, w and h.")
    return header


def _item(row: ManifestRow, finder: Finder) -> Item:
    if not row["path"]:
        raise row.refused("the path is empty.")
    label = _label(row)
    source = source_of(label, row["source"])
    if not source:
        raise row.refused("the source is empty; a fake needs its generator.")
    return Item(
        path=finder.find(row["path"]),
        name=plain(row["path"]),
        label=label,
        source=source,
        split=row.split,
        group=row["group"] or None,
        face=_face(row),
        where=row.where,
    )


def _label(row: ManifestRow) -> Label:
    text = row["label"].lower()
    if text not in set(Label):
        raise row.refused(f"the label is {row['label']!r}; it must be real or fake.")
    return Label(text)


def _face(row: ManifestRow) -> FaceBox | None:
    cells = [row[column] for column in BOX]
    if not any(cells):
        return None
    try:
        numbers = (cell.replace(",", ".") if row.decimal_comma else cell for cell in cells)
        x, y, width, height = map(float, numbers)
    except ValueError:
        raise row.refused(f"the face box x,y,w,h is {' '.join(cells)!r}; it needs four numbers.") from None
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise row.refused("the face box needs finite numbers and a positive width and height.")
    return FaceBox(x, y, width, height)


def read_folder(folder: Path) -> Manifest:
    """Every file under `real/…` and `fake/<source>/…`; anything else is refused by name."""
    if not any((folder / label).is_dir() for label in Label):
        raise BadInput(f"{folder}: a folder to import holds real/… and fake/<source>/…")
    paths = [path for entry in sorted(folder.iterdir()) for path in _files(entry)]
    entries = [located(path, path.relative_to(folder).as_posix()) for path in paths]
    return Manifest(
        items=tuple(entry for entry in entries if isinstance(entry, Item)),
        refused=tuple(entry for entry in entries if isinstance(entry, Refusal)),
    )


def _files(entry: Path) -> list[Path]:
    """`entry` itself, or every file below it. Links are followed, except one to its own parent."""
    if not entry.is_dir():
        return [entry]
    if entry.is_symlink() and entry.parent.resolve().is_relative_to(entry.resolve()):
        return []
    return [path for child in sorted(entry.iterdir()) for path in _files(child)]


def located(path: Path, name: str, *, label: Label | None = None, source: str = "") -> Item | Refusal:
    """The item of a file whose folders say its label and source; or why it is refused.

    `label` holds where the folders say none, and `source` where they name none.
    """
    *folders, last = name.split("/")
    if any(part.startswith(".") and part != ".." for part in (*folders, last)):
        return Refusal(name, hidden_reason(last))
    if folders and folders[0] in set(Label):
        label = Label(folders[0])
        source = folders[1] if len(folders) > 1 else source
    if label is None:
        return Refusal(name, "lies neither in real/ nor in fake/<source>/.")
    if not source_of(label, source):
        return Refusal(name, "a fake needs its generator: put it in fake/<source>/, or name its source.")
    return Item(path=path, name=plain(name), label=label, source=source_of(label, source))
