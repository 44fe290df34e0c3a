"""The images of an import: the rows of a CSV manifest, or the files of a folder."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import BadInput
from app.models import Label, Split
from app.stimuli.image_archive import unpacked
from app.stimuli.names import Finder, plain
from saliency.files.text import SEPARATORS, TextFileError, csv_rows, read_text, separator_of
from saliency.images.decoder import hidden_reason

REQUIRED: Final = ("path", "label", "source")
BOX: Final = ("x", "y", "w", "h")
COLUMNS: Final = (*REQUIRED, "split", "group", *BOX)
EXPECTED: Final = "path,label,source[,split][,group][,x,y,w,h]"


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


@contextmanager
def opened_listing(path: Path) -> Iterator[Manifest]:
    """As `read_listing`, also of a ZIP archive, whose files are there as long as the context is open.

    The only CSV file at the top of an archive is its manifest; without one it is read as a folder.
    """
    if path.suffix.lower() != ".zip" or not path.is_file():
        yield read_listing(path)
        return
    with unpacked(path) as folder:
        manifests = list(folder.glob("*.csv"))
        try:
            listing = read_listing(manifests[0] if len(manifests) == 1 else folder)
        except BadInput as error:
            raise BadInput(str(error).replace(str(folder), str(path))) from None
        yield listing


def read_listing(path: Path) -> Manifest:
    """The items of a manifest file or of a folder; `BadInput` when there is neither."""
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise BadInput(f"{path}: there is no such manifest or folder.")
    return Manifest(read_manifest(path))


def read_manifest(path: Path) -> tuple[Item, ...]:
    """The rows of a manifest; `BadInput` names the first malformed line."""
    finder = Finder(path.parent)
    items = tuple(_item(row, finder) for row in read_rows(path, required=REQUIRED))
    if not items:
        raise BadInput(f"{path}: the manifest lists no image.")
    return items


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A line of a manifest; `where` names it in errors."""

    where: str
    cells: dict[str, str]
    decimal_comma: bool

    def refused(self, reason: str) -> BadInput:
        return BadInput(f"{self.where}: {reason}")

    def __getitem__(self, column: str) -> str:
        """A cell; empty where the file has no such column."""
        return self.cells.get(column, "")

    @property
    def split(self) -> Split | None:
        text = self["split"].lower()
        if text and text not in set(Split):
            raise self.refused(f"the split is {self['split']!r}; it must be train, val, test or empty.")
        return Split(text) if text else None


def read_rows(path: Path, *, required: Sequence[str]) -> Iterator[ManifestRow]:
    """The rows of a CSV file with the columns of a manifest, of which `required` must be there."""
    try:
        text = read_text(path)
        separator = separator_of(text, known=COLUMNS)
        rows = csv_rows(text, name=str(path), separator=separator)
        line, cells = next(rows, (1, []))
        header = _header(cells, separator, required, where=f"{path}, line {line}")
        for line, cells in rows:
            where = f"{path}, line {line}"
            yield ManifestRow(where, _by_column(header, cells, where), decimal_comma=separator != ",")
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


def _by_column(header: list[str], cells: list[str], where: str) -> dict[str, str]:
    """The cells by column; empty cells behind the last column are ignored."""
    if len(cells) < len(header) or any(cells[len(header) :]):
        raise BadInput(f"{where}: {len(cells)} values where the header has {len(header)} columns.")
    return dict(zip(header, cells, strict=False))


def _item(row: ManifestRow, finder: Finder) -> Item:
    for column in ("path", "source"):
        if not row[column]:
            raise row.refused(f"the {column} is empty.")
    return Item(
        path=finder.find(row["path"]),
        name=plain(row["path"]),
        label=_label(row),
        source=row["source"],
        split=row.split,
        group=row["group"] or None,
        face=_face(row),
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
    entries = [_located(path.relative_to(folder), folder=folder) for path in paths]
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


def _located(name: Path, *, folder: Path) -> Item | Refusal:
    """The item of a file, whose path gives its label and source; or why it is refused."""
    *folders, _ = name.parts
    if any(part.startswith(".") for part in name.parts):
        return Refusal(name.as_posix(), hidden_reason(name.name))
    if not folders or folders[0] not in set(Label):
        return Refusal(name.as_posix(), "lies neither in real/ nor in fake/<source>/.")
    label = Label(folders[0])
    if label is Label.FAKE and len(folders) < 2:
        return Refusal(name.as_posix(), "a fake needs its generator: put it in fake/<source>/.")
    source = folders[1] if len(folders) > 1 else "real"
    return Item(path=folder / name, name=plain(name.as_posix()), label=label, source=source)
