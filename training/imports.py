"""Scores of somebody else's detector, from a CSV file. No torch.

    image,score                     one detector, called after the file
    detector,image,score            several in one file

`image` is an image's id in the dataset, or any path whose file name is `<id>.<ending>`. Higher is more fake.
A column `label`, where there is one, must agree with the dataset; other columns are left alone. A file
without a header may hold `image,score`, as the authors' test.py writes it. Commas, semicolons and tabs
separate; UTF-8 and UTF-16 are read.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from training.errors import DatasetError
from training.results import SCORE
from training.scored import Scored, Truth

IMAGE_COLUMNS: Final = ("image", "image_id", "path", "file", "filename", "name")
LABELS: Final = {"real": "real", "fake": "fake", "0": "real", "1": "fake", "synthetic": "fake"}
SEPARATORS: Final = (",", ";", "\t")
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
    rows = _rows(_text(content, called), called)
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


def _text(content: bytes, called: str) -> str:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"{called}, line {line}: this is not UTF-8 text; save the file as UTF-8."
        ) from None
    if "\0" in text:
        raise DatasetError(f"{called} is not a text file.")
    return text


def _rows(text: str, called: str) -> list[_Row]:
    first = text.partition("\n")[0]
    separator = max(SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    lines = ((reader.line_num, fields) for fields in reader if any(field.strip() for field in fields))
    try:
        return _parsed(list(lines), called)
    except csv.Error as error:
        raise DatasetError(f"{called}, line {reader.line_num}: {error}.") from None


def _parsed(lines: list[tuple[int, list[str]]], called: str) -> list[_Row]:
    if not lines:
        return []
    header = [field.strip().lower() for field in lines[0][1]]
    if len(header) == 2 and SCORE not in header and _is_number(header[1]):
        header = ["image", SCORE]
    else:
        lines = lines[1:]
    image = next((name for name in IMAGE_COLUMNS if name in header), None)
    if image is None or SCORE not in header or len(set(header)) < len(header):
        found = ", ".join(header)[:LONGEST_NAME]
        raise DatasetError(
            f"{called}, line 1: columns `image` and `score` are wanted, each once, not {found}."
        )
    rows = []
    for number, fields in lines:
        where = f"{called}, line {number}"
        if len(fields) != len(header):
            raise DatasetError(f"{where}: {len(header)} fields are wanted, not {len(fields)}.")
        rows.append(_row(dict(zip(header, fields, strict=True)), image, called, where))
    return rows


def _row(fields: dict[str, str], image: str, called: str, where: str) -> _Row:
    detector = " ".join(fields.get("detector", PurePosixPath(called).stem).split())
    if not detector or len(detector) > LONGEST_NAME or not detector.isprintable():
        raise DatasetError(f"{where}: a detector's name has 1 to {LONGEST_NAME} printable characters.")
    if not _is_number(fields[SCORE]):
        raise DatasetError(
            f"{where}: the score must be a finite number, not {fields[SCORE][:LONGEST_NAME]!r}."
        )
    label = fields.get("label", "").strip().lower()
    if label not in {"", *LABELS}:
        raise DatasetError(f"{where}: the label must be real or fake, not {label[:LONGEST_NAME]!r}.")
    return _Row(detector, fields[image].strip(), float(fields[SCORE]), LABELS.get(label, ""), where)


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
