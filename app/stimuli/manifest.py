"""What an import is asked to bring in: the rows of a CSV manifest, or the files of a folder."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import BadInput
from app.models import Label, Split
from saliency.image_files import hidden_reason

REQUIRED: Final = ("path", "label", "source")
BOX: Final = ("x", "y", "w", "h")
COLUMNS: Final = (*REQUIRED, "split", "group", *BOX)


@dataclass(frozen=True, slots=True)
class FaceBox:
    """Where the face is, in pixels of the upright picture; (x, y) is the top-left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Item:
    """One file to import. `name` is how the manifest or the folder calls it."""

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
class Listing:
    items: tuple[Item, ...]
    refused: tuple[Refusal, ...] = ()


def read_listing(path: Path) -> Listing:
    """The items of a manifest file or of a folder; BadInput when there is nothing of the kind."""
    if path.is_dir():
        return read_folder(path)
    if not path.is_file():
        raise BadInput(f"{path}: there is no such manifest or folder.")
    return Listing(read_manifest(path))


def read_manifest(path: Path) -> tuple[Item, ...]:
    """Every row of a manifest; one malformed line refuses the whole file, naming the line."""
    items = tuple(_rows(path))
    if not items:
        raise BadInput(f"{path}: the manifest lists no image.")
    return items


def _rows(path: Path) -> Iterator[Item]:
    # utf-8-sig: spreadsheets write a byte order mark, which would hide in the first column's name.
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            header = _header(next(reader, []))
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield _item(_by_column(header, cells), folder=path.parent)
        except UnicodeDecodeError:
            raise BadInput(f"{path}: the manifest is not UTF-8 text.") from None
        except (ValueError, csv.Error) as error:
            raise BadInput(f"{path}, line {max(reader.line_num, 1)}: {error}") from None


def _header(cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    if missing := [column for column in REQUIRED if column not in header]:
        expected = "path,label,source[,split][,group][,x,y,w,h]"
        raise ValueError(f"the header lacks {', '.join(missing)}; it should be {expected}.")
    if unknown := [column for column in header if column not in COLUMNS]:
        raise ValueError(f"the column {unknown[0]!r} is unknown; known are {', '.join(COLUMNS)}.")
    if len(set(header)) < len(header):
        raise ValueError("a column appears twice in the header.")
    if 0 < len(set(BOX) & set(header)) < len(BOX):
        raise ValueError("a face box needs all four columns x, y, w and h.")
    return header


def _by_column(header: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} values where the header has {len(header)} columns.")
    return dict(zip(header, (cell.strip() for cell in cells), strict=True))


def _item(row: dict[str, str], *, folder: Path) -> Item:
    for column in ("path", "source"):
        if not row[column]:
            raise ValueError(f"the {column} is empty.")
    if "\0" in "".join(row.values()):
        raise ValueError("a value holds a NUL character.")
    return Item(
        path=folder / row["path"],
        name=row["path"],
        label=_label(row["label"]),
        source=row["source"],
        split=_split(row.get("split", "")),
        group=row.get("group") or None,
        face=_face([row.get(column, "") for column in BOX]),
    )


def _label(text: str) -> Label:
    if text not in set(Label):
        raise ValueError(f"the label is {text!r}; it must be real or fake.")
    return Label(text)


def _split(text: str) -> Split | None:
    if text and text not in set(Split):
        raise ValueError(f"the split is {text!r}; it must be train, val, test or empty.")
    return Split(text) if text else None


def _face(cells: list[str]) -> FaceBox | None:
    if not any(cells):
        return None
    try:
        x, y, width, height = map(float, cells)
    except ValueError:
        raise ValueError(f"the face box x,y,w,h is {','.join(cells)!r}; it needs four numbers.") from None
    if not all(map(math.isfinite, (x, y, width, height))) or width <= 0 or height <= 0:
        raise ValueError("the face box needs finite numbers and a positive width and height.")
    return FaceBox(x, y, width, height)


def read_folder(folder: Path) -> Listing:
    """Every file under `real/…` and `fake/<source>/…`; anything else is refused by name."""
    if not any((folder / label).is_dir() for label in Label):
        raise BadInput(f"{folder}: a folder to import holds real/… and fake/<source>/…")
    paths = [path for entry in sorted(folder.iterdir()) for path in _files(entry)]
    found = [_located(path.relative_to(folder), folder=folder) for path in paths]
    return Listing(
        items=tuple(entry for entry in found if isinstance(entry, Item)),
        refused=tuple(entry for entry in found if isinstance(entry, Refusal)),
    )


def _files(entry: Path) -> list[Path]:
    """`entry` itself, or every file below it. Links are followed, except one to its own parent."""
    if not entry.is_dir():
        return [entry]
    if entry.is_symlink() and entry.parent.resolve().is_relative_to(entry.resolve()):
        return []
    return [path for child in sorted(entry.iterdir()) for path in _files(child)]


def _located(name: Path, *, folder: Path) -> Item | Refusal:
    """What the place of a file in its folder says about it: its label, and its source."""
    *folders, _ = name.parts
    if any(part.startswith(".") for part in name.parts):
        return Refusal(name.as_posix(), hidden_reason(name.name))
    if not folders or folders[0] not in set(Label):
        return Refusal(name.as_posix(), "lies neither in real/ nor in fake/<source>/.")
    label = Label(folders[0])
    if label is Label.FAKE and len(folders) < 2:
        return Refusal(name.as_posix(), "a fake needs its generator: put it in fake/<source>/.")
    source = folders[1] if len(folders) > 1 else "real"
    return Item(path=folder / name, name=name.as_posix(), label=label, source=source)
