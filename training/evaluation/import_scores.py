"""Scores of somebody else's detector, from a CSV file. No torch.

    image,score                     one detector, called after the file
    detector,image,score            several in one file

`image` is an image's id in the dataset, or any path whose file name is `<id>.<ending>`. Higher is more fake.
A column `label`, where there is one, must agree with the dataset; other columns are left alone. A file
without a header may hold `image,score`, as the authors' test.py writes it. Commas, semicolons and tabs
separate; where it is not commas, a score may have a decimal comma. UTF-8 and UTF-16 are read.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from saliency.files.text import TextFileError, csv_rows, decode_text, separator_of
from training.errors import DatasetError
from training.evaluation.scored import SCORE, Scored, Truth

IMAGE_COLUMNS: Final = ("image", "image_id", "path", "file", "filename", "name")
LABELS: Final = {"real": "real", "fake": "fake", "0": "real", "1": "fake", "synthetic": "fake"}
KNOWN: Final = frozenset({*IMAGE_COLUMNS, SCORE, "detector", "label"})
MOST_NAMED: Final = 3
LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class Imported:
    """A detector by its scores on every image of the split."""

    name: str
    scored: Scored
    ignored: int
    """Rows about images that are not in the split."""


@dataclass(frozen=True, slots=True)
class _Row:
    detector: str
    image: str
    score: float
    label: str
    where: str


def read_scores_file(path: Path, truth: Sequence[Truth], *, known: Iterable[str] = ()) -> list[Imported]:
    """The detectors of a file, by name; as `read_scores`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    return read_scores(content, truth, called=path.name, known=known)


def read_scores(
    content: bytes, truth: Sequence[Truth], *, called: str, known: Iterable[str] = ()
) -> list[Imported]:
    """The detectors of a file's content, by name.

    truth : the images that must each have exactly one score
    known : ids of the dataset's other images, whose scores are counted and left out
    `DatasetError` names file and line; nothing is read by half.
    """
    rows = _rows(content, called)
    by_detector: dict[str, list[_Row]] = {}
    for row in rows:
        by_detector.setdefault(row.detector, []).append(row)
    if not by_detector:
        raise DatasetError(f"{called} holds no scores.")
    elsewhere = frozenset(known)
    return [_imported(name, own, truth, elsewhere, called) for name, own in sorted(by_detector.items())]


def to_normal_csv(scored: Scored) -> str:
    """`image_id,label,source,score`, in the order of the split: what is kept of an import."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image_id", "label", "source", SCORE])
    for one, value in zip(scored.truth, scored.ranking[SCORE].tolist(), strict=True):
        writer.writerow([one.image_id, one.label, one.source, repr(value)])
    return text.getvalue()


def from_normal_csv(content: bytes) -> Scored:
    """What `to_normal_csv` has written."""
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
    truth = [Truth(row["image_id"], row["label"], row["source"]) for row in rows]
    return _scored(truth, [float(row[SCORE]) for row in rows])


def _rows(content: bytes, called: str) -> list[_Row]:
    try:
        text = decode_text(content, name=called)
        separator = separator_of(text, known=KNOWN)
        lines = list(csv_rows(text, name=called, separator=separator))
    except TextFileError as error:
        raise DatasetError(str(error)) from None
    rows = _cells(lines, called)
    return [_row(row, where, called) for row, where in (rows if separator == "," else _with_points(rows))]


def _cells(lines: list[tuple[int, list[str]]], called: str) -> list[tuple[dict[str, str], str]]:
    """The rows below the header, by the names of their columns, each with what errors call it."""
    if not lines:
        return []
    header = [field.lower() for field in lines[0][1]]
    if len(header) == 2 and SCORE not in header and _is_number(header[1].replace(",", ".")):
        header = ["image", SCORE]
    else:
        lines = lines[1:]
    if not _image_column(header) or SCORE not in header or len(set(header)) < len(header):
        found = ", ".join(header)[:LONGEST_NAME]
        raise DatasetError(
            f"{called}, line 1: columns `image` and `score` are wanted, each once, not {found}."
        )
    for number, fields in lines:
        if len(fields) != len(header):
            raise DatasetError(
                f"{called}, line {number}: {len(header)} fields are wanted, not {len(fields)}."
            )
    return [(dict(zip(header, row, strict=True)), f"{called}, line {number}") for number, row in lines]


def _image_column(header: Iterable[str]) -> str:
    """What the column that names the image is called; empty when there is none."""
    return next((name for name in IMAGE_COLUMNS if name in header), "")


def _with_points(rows: Iterable[tuple[dict[str, str], str]]) -> Iterator[tuple[dict[str, str], str]]:
    """The rows with decimal points for decimal commas; both in one file may be thousands, and are refused."""
    marks: set[str] = set()
    for row, where in rows:
        marks |= set(row[SCORE]).intersection(".,")
        if len(marks) > 1:
            raise DatasetError(
                f"{where}: scores above have another decimal mark; write commas or points, not both."
            )
        yield {**row, SCORE: row[SCORE].replace(",", ".")}, where


def _row(fields: dict[str, str], where: str, called: str) -> _Row:
    detector = " ".join(fields.get("detector", PurePosixPath(called).stem).split())
    if not detector or len(detector) > LONGEST_NAME or not detector.isprintable():
        raise DatasetError(f"{where}: a detector's name has 1 to {LONGEST_NAME} printable characters.")
    score = fields[SCORE][:LONGEST_NAME]
    if not _is_number(fields[SCORE]):
        hint = "; decimal commas want semicolons between the columns" if "," in score else ""
        raise DatasetError(f"{where}: the score must be a finite number, not {score!r}{hint}.")
    label = fields.get("label", "").lower()
    if label not in {"", *LABELS}:
        raise DatasetError(f"{where}: the label must be real or fake, not {label[:LONGEST_NAME]!r}.")
    image = fields[_image_column(fields)]
    return _Row(detector, image, float(fields[SCORE]), LABELS.get(label, ""), where)


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _imported(
    name: str, rows: Sequence[_Row], truth: Sequence[Truth], elsewhere: frozenset[str], called: str
) -> Imported:
    labels = {one.image_id: one.label for one in truth}
    found: dict[str, float] = {}
    ignored = 0
    for row in rows:
        image_id = _meant(row.image, labels, elsewhere)
        if image_id is None:
            raise DatasetError(f"{row.where}: there is no image {row.image[:LONGEST_NAME]!r} in the dataset.")
        if image_id not in labels:
            ignored += 1
            continue
        if image_id in found:
            raise DatasetError(f"{row.where}: {name} has a score for image {image_id} already.")
        if row.label and row.label != labels[image_id]:
            raise DatasetError(f"{row.where}: image {image_id} is {labels[image_id]}, not {row.label}.")
        found[image_id] = row.score
    _require_all(name, labels, found, called)
    return Imported(name, _scored(truth, [found[one.image_id] for one in truth]), ignored)


def _meant(name: str, labels: dict[str, str], elsewhere: frozenset[str]) -> str | None:
    """The image's id: as it stands, or the name of the file without its ending."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return next((one for one in (name, stem) if one in labels or one in elsewhere), None)


def _require_all(name: str, labels: dict[str, str], found: dict[str, float], called: str) -> None:
    missing = [image_id for image_id in labels if image_id not in found]
    if missing:
        named = ", ".join(missing[:MOST_NAMED]) + (", …" if len(missing) > MOST_NAMED else "")
        raise DatasetError(
            f"{called}: {name} has no score for {len(missing)} of the {len(labels)} test images: {named}."
        )


def _scored(truth: Sequence[Truth], values: Sequence[float]) -> Scored:
    scores = np.array(values, np.float64)
    is_probability = bool(((scores >= 0) & (scores <= 1)).all())
    return Scored(
        tuple(one.image_id for one in truth),
        np.array([one.label == "fake" for one in truth], bool),
        np.array([one.source for one in truth], np.str_),
        {SCORE: scores},
        {SCORE: scores} if is_probability else {},
    )
