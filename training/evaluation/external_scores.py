"""Read the scores of external detectors from a CSV file. No torch.

    image,score                     one detector, called after the file
    detector,image,score            several in one file

`image` is an image's id in the dataset, or any path whose file name is `<id>.<ending>`. Higher is more fake.
A column `label`, where there is one, must agree with the dataset; other columns are ignored. A file
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
from training.evaluation.score_table import SCORE, ImageLabel, ScoreTable

IMAGE_COLUMNS: Final = ("image", "image_id", "path", "file", "filename", "name")
LABELS: Final = {"real": "real", "fake": "fake", "0": "real", "1": "fake", "synthetic": "fake"}
KNOWN: Final = frozenset({*IMAGE_COLUMNS, SCORE, "detector", "label"})
MOST_NAMED: Final = 3
LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class ImportedDetector:
    """An external detector: one score for every image of the split."""

    name: str
    scores: ScoreTable
    ignored: int
    """Rows about images that are not in the split."""


@dataclass(frozen=True, slots=True)
class _Row:
    detector: str
    image: str
    score: float
    label: str
    where: str


def read_scores_file(
    path: Path, truth: Sequence[ImageLabel], *, known: Iterable[str] = ()
) -> list[ImportedDetector]:
    """The detectors of a file, by name; as `read_scores`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}.") from None
    return read_scores(content, truth, called=path.name, known=known)


def read_scores(
    content: bytes, truth: Sequence[ImageLabel], *, called: str, known: Iterable[str] = ()
) -> list[ImportedDetector]:
    """The detectors of a CSV file's content, ordered by name.

    truth : the images of the split; each must have exactly one finite score
    called : the file's name, for errors and for a detector without a name
    known : ids of the dataset's other images; their scores are counted as ignored
    `DatasetError`: anything else; names file and line
    """
    rows = _rows(content, called)
    by_detector: dict[str, list[_Row]] = {}
    for row in rows:
        by_detector.setdefault(row.detector, []).append(row)
    if not by_detector:
        raise DatasetError(f"{called} holds no scores.")
    other_images = frozenset(known)
    return [_imported(name, rows, truth, other_images, called) for name, rows in sorted(by_detector.items())]


def to_canonical_csv(scores: ScoreTable) -> str:
    """`image_id,label,source,score`, in the order of the split: the form in which an import is stored."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image_id", "label", "source", SCORE])
    for image, value in zip(scores.truth, scores.ranking[SCORE].tolist(), strict=True):
        writer.writerow([image.image_id, image.label, image.source, repr(value)])
    return text.getvalue()


def from_canonical_csv(content: bytes) -> ScoreTable:
    """Read what `to_canonical_csv` wrote."""
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
    truth = [ImageLabel(row["image_id"], row["label"], row["source"]) for row in rows]
    return _score_table(truth, [float(row[SCORE]) for row in rows])


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
    """The rows below the header, by the names of their columns, each with its file and line for errors."""
    if not lines:
        return []
    header = [field.lower() for field in lines[0][1]]
    if len(header) == 2 and SCORE not in header and _is_number(header[1].replace(",", ".")):
        header = ["image", SCORE]
    else:
        lines = lines[1:]
    if not _image_column(header) or SCORE not in header or len(set(header)) < len(header):
        actual = ", ".join(header)[:LONGEST_NAME]
        raise DatasetError(
            f"{called}, line 1: columns `image` and `score` are wanted, each once, not {actual}."
        )
    for number, fields in lines:
        if len(fields) != len(header):
            raise DatasetError(
                f"{called}, line {number}: {len(header)} fields are wanted, not {len(fields)}."
            )
    return [(dict(zip(header, row, strict=True)), f"{called}, line {number}") for number, row in lines]


def _image_column(header: Iterable[str]) -> str:
    """The name of the column that holds the image; empty when there is none."""
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
    name: str, rows: Sequence[_Row], truth: Sequence[ImageLabel], other_images: frozenset[str], called: str
) -> ImportedDetector:
    labels = {image.image_id: image.label for image in truth}
    scores: dict[str, float] = {}
    ignored = 0
    for row in rows:
        image_id = _image_id(row.image, labels, other_images)
        if image_id is None:
            raise DatasetError(f"{row.where}: there is no image {row.image[:LONGEST_NAME]!r} in the dataset.")
        if image_id not in labels:
            ignored += 1
            continue
        if image_id in scores:
            raise DatasetError(f"{row.where}: {name} has a score for image {image_id} already.")
        if row.label and row.label != labels[image_id]:
            raise DatasetError(f"{row.where}: image {image_id} is {labels[image_id]}, not {row.label}.")
        scores[image_id] = row.score
    _require_all(name, labels, scores, called)
    values = [scores[image.image_id] for image in truth]
    return ImportedDetector(name, _score_table(truth, values), ignored)


def _image_id(name: str, labels: dict[str, str], other_images: frozenset[str]) -> str | None:
    """The image's id: the text itself, or its file name without the ending; None for neither."""
    stem = PurePosixPath(name.replace("\\", "/")).stem
    return next((key for key in (name, stem) if key in labels or key in other_images), None)


def _require_all(name: str, labels: dict[str, str], scores: dict[str, float], called: str) -> None:
    missing = [image_id for image_id in labels if image_id not in scores]
    if missing:
        named = ", ".join(missing[:MOST_NAMED]) + (", …" if len(missing) > MOST_NAMED else "")
        raise DatasetError(
            f"{called}: {name} has no score for {len(missing)} of the {len(labels)} test images: {named}."
        )


def _score_table(truth: Sequence[ImageLabel], values: Sequence[float]) -> ScoreTable:
    scores = np.array(values, np.float64)
    is_probability = bool(((scores >= 0) & (scores <= 1)).all())
    return ScoreTable(
        tuple(image.image_id for image in truth),
        np.array([image.label == "fake" for image in truth], bool),
        np.array([image.source for image in truth], np.str_),
        {SCORE: scores},
        {SCORE: scores} if is_probability else {},
    )
