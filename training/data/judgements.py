"""What people made of the images of a dataset: the pairs that they were shown, and how they judged. No torch.

A judgement of a pair is one of both of its images: it was correct, and it took its time, for both.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Final, TypeVar

from training.errors import DatasetError

PAIRS: Final = "pairs.csv"
JUDGEMENTS: Final = "judgements.csv"

Row = TypeVar("Row", "ShownPair", "JudgedImage")


@dataclass(frozen=True, slots=True, order=True)
class ShownPair:
    """A real and a fake image that people were shown side by side; one row of pairs.csv."""

    real: str
    fake: str
    judgements: int
    """0 for a pair of the study that nobody has judged."""
    correct: int


@dataclass(frozen=True, slots=True, order=True)
class JudgedImage:
    """How people judged the pairs with an image, at least once; one row of judgements.csv."""

    image_id: str
    judgements: int
    correct: int
    decision_ms: float
    """The median."""


def to_csv(rows: Iterable[Row], kind: type[Row]) -> bytes:
    """The rows in order; `kind` gives the header."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_columns(kind))
    writer.writerows(astuple(row) for row in sorted(rows))
    return text.getvalue().encode()


def read_pairs(path: Path, label_of: Mapping[str, str]) -> tuple[ShownPair, ...]:
    """The pairs of a dataset; `DatasetError` names the first line that is wrong.

    label_of : label of each image of the dataset
    """
    pairs: dict[tuple[str, str], ShownPair] = {}
    for where, cells in _rows(path, ShownPair):
        real, fake, *counts = cells
        if (label_of.get(real), label_of.get(fake)) != ("real", "fake"):
            raise DatasetError(
                f"{where}: a real and a fake image of the dataset are wanted, not {real!r} and {fake!r}."
            )
        pair = ShownPair(real, fake, *_counts(counts, where=where, least=0))
        if pairs.setdefault((real, fake), pair) is not pair:
            raise DatasetError(f"{where}: {real} and {fake} are a pair already.")
    return tuple(pairs.values())


def read_judgements(path: Path, label_of: Mapping[str, str]) -> dict[str, JudgedImage]:
    """How each image was judged, by its id; images that nobody judged are missing.

    label_of : as of `read_pairs`; `DatasetError` names the first line that is wrong
    """
    judged: dict[str, JudgedImage] = {}
    for where, (image_id, *counts, decision_ms) in _rows(path, JudgedImage):
        if image_id not in label_of or image_id in judged:
            reason = "twice in this table" if image_id in judged else "no image of the dataset"
            raise DatasetError(f"{where}: {image_id!r} is {reason}.")
        time = _number(decision_ms, float, where=where)
        if not isfinite(time) or time < 0:
            raise DatasetError(f"{where}: decision_ms must be 0 or more, not {decision_ms!r}.")
        judged[image_id] = JudgedImage(image_id, *_counts(counts, where=where, least=1), time)
    return judged


def _columns(kind: type[Row]) -> tuple[str, ...]:
    return tuple(column.name for column in fields(kind))


def _rows(path: Path, kind: type[Row]) -> Iterator[tuple[str, list[str]]]:
    """Where each row is, and its cells."""
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.reader(stream)
        columns = _columns(kind)
        if tuple(next(reader, ())) != columns:
            raise DatasetError(f"{path} must begin with the header {','.join(columns)}.")
        for number, cells in enumerate(reader, start=2):
            if len(cells) != len(columns):
                raise DatasetError(f"{path}, line {number}: {len(columns)} fields are wanted.")
            yield f"{path}, line {number}", cells


def _counts(cells: Iterable[str], *, where: str, least: int) -> tuple[int, int]:
    judgements, correct = (_number(cell, int, where=where) for cell in cells)
    if judgements < least or not 0 <= correct <= judgements:
        raise DatasetError(f"{where}: {correct} of {judgements} judgements cannot be correct.")
    return judgements, correct


Number = TypeVar("Number", int, float)


def _number(cell: str, kind: Callable[[str], Number], *, where: str) -> Number:
    try:
        return kind(cell)
    except ValueError:
        raise DatasetError(f"{where}: a number is wanted, not {cell!r}.") from None
