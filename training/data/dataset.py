"""The dataset folder: frozen images, labels, saliency maps and splits. Importing this does not import torch.

dataset.json   id, study, map set, parameters, counts, SHA-256 of every other file
samples.csv    image_id,path,label,source,split,map,annotators
images/        8-bit PNG
maps/          16-bit greyscale PNG, 65535 = 1.0; not every image has one
pairs.csv      real,fake,judgements,correct: where a study has shown pairs of them
judgements.csv image_id,judgements,correct,decision_ms: where people have judged
audit.json     whether labels can be told by what is not the face; not hashed, and not every folder has one
"""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import struct
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from saliency.files.spreadsheets import cell, original
from training.data.judgements import (
    JUDGEMENTS,
    PAIRS,
    JudgedImage,
    ShownPair,
    read_judgements,
    read_pairs,
    to_csv,
)
from training.errors import DatasetError

FORMAT: Final = 1
LABELS: Final = ("real", "fake")
"""The index of a label is the index of its logit."""
SPLITS: Final = ("train", "extra", "val", "test")
"""`extra` has more training images, for scenarios that name it in `train_splits`."""

AUDIT: Final = "audit.json"
"""In the folder, beside what is hashed: the shortcut audit of its images, where there is one."""

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Sample:
    """One row of samples.csv. Paths are relative to the dataset folder; `map` is empty when there is none."""

    image_id: str
    path: str
    label: str
    source: str
    split: str
    map: str
    annotators: int

    @property
    def target(self) -> int:
        """0 = real, 1 = fake."""
        return LABELS.index(self.label)


COLUMNS: Final = tuple(column.name for column in fields(Sample))


@dataclass(frozen=True, slots=True)
class DatasetFolder:
    """A dataset folder that was read and checked."""

    root: Path
    id: str
    study: str
    map_set: str
    parameters: dict[str, Any]
    samples: tuple[Sample, ...]
    digests: dict[str, str] = field(default_factory=dict, repr=False)
    """SHA-256 of each file by its path in the folder."""
    pairs: tuple[ShownPair, ...] = field(default=(), repr=False)
    """Pairs that people were shown; none of datasets of earlier versions, and of those made elsewhere."""
    judged: dict[str, JudgedImage] = field(default_factory=dict, repr=False)
    """How people judged, by image; without images that nobody judged."""

    def of(self, *splits: str) -> tuple[Sample, ...]:
        """The samples of these splits, in the order of samples.csv."""
        return tuple(sample for sample in self.samples if sample.split in splits)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Per split: images, real, fake, with_map."""
        return count(self.samples)


def count(samples: Iterable[Sample]) -> dict[str, dict[str, int]]:
    """Images, real, fake and with_map for each split that has any image."""
    totals: dict[str, Counter[str]] = {}
    for sample in samples:
        row = totals.setdefault(sample.split, Counter(images=0, real=0, fake=0, with_map=0))
        row.update(["images", sample.label, *(["with_map"] if sample.map else [])])
    return {split: dict(totals[split]) for split in SPLITS if split in totals}


class DatasetWriter:
    """Writes a dataset folder in one move: a temporary folder beside it is filled and renamed at the end.

    The same content gives the same id, whatever the order in which images were added. `out_dir` must not
    exist, or be empty. After the `with` block, `dataset` is what was written.
    """

    def __init__(
        self, out_dir: Path, *, study: str, map_set: str, parameters: dict[str, Any] | None = None
    ) -> None:
        self._out = Path(out_dir)
        self._draft = self._out.with_name(f".{self._out.name}.{uuid.uuid4().hex[:8]}.partial")
        self._head = {"study": study, "map_set": map_set, "parameters": parameters or {}}
        self._samples: dict[str, Sample] = {}
        self._hashes: dict[str, str] = {}
        self._pairs: list[ShownPair] = []
        self._judged: list[JudgedImage] = []
        self.dataset: DatasetFolder | None = None

    def __enter__(self) -> Self:
        if self._out.exists() and (not self._out.is_dir() or any(self._out.iterdir())):
            raise DatasetError(f"{self._out} exists already; a dataset is never written over another.")
        for folder in ("images", "maps"):
            (self._draft / folder).mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:  # after an error only the draft is deleted, and nothing appears
                self._finish()
        finally:
            shutil.rmtree(self._draft, ignore_errors=True)

    def add(
        self,
        *,
        image_id: str,
        image: bytes,
        label: str,
        source: str,
        split: str,
        map: bytes | None = None,  # noqa: A002 - the column is called so
        annotators: int = 0,
    ) -> Sample:
        """Write one image, and its saliency map when it has one.

        image : PNG, any 8-bit PNG
        map : 16-bit greyscale PNG of the image's own size, or None when nobody annotated it
        """
        sample = Sample(
            image_id=image_id,
            path=f"images/{image_id}.png",
            label=label,
            source=source,
            split=split,
            map=f"maps/{image_id}.png" if map is not None else "",
            annotators=annotators,
        )
        self._check(sample, image, map)
        self._write(sample.path, image)
        if map is not None:
            self._write(sample.map, map)
        self._samples[image_id] = sample
        return sample

    def add_judgements(self, pairs: Iterable[ShownPair], judged: Iterable[JudgedImage]) -> None:
        """Keep pairs and judgements of images that are in the dataset when it is complete."""
        self._pairs += pairs
        self._judged += judged

    def _check(self, sample: Sample, image: bytes, saliency: bytes | None) -> None:
        name = f"image {sample.image_id!r}"
        if not _ID.fullmatch(sample.image_id):
            raise DatasetError(f"An image id is letters, digits, '.', '_' and '-', not {sample.image_id!r}.")
        if sample.image_id in self._samples:
            raise DatasetError(f"The {name} was added twice.")
        _check_sample(sample, where=f"The {name}")
        width, height, depth, _ = png_header(image, what=f"The {name}")
        if depth != 8:
            raise DatasetError(f"The {name} has {depth} bits per channel; 8 are wanted.")
        if saliency is not None and png_header(saliency, what=f"The map of {name}") != (width, height, 16, 0):
            raise DatasetError(f"The map of {name} must be 16-bit greyscale of {width}×{height} pixels.")

    def _write(self, name: str, content: bytes) -> None:
        (self._draft / name).write_bytes(content)
        self._hashes[name] = _sha256(content)

    def _finish(self) -> None:
        # Sorted, so that the hash does not depend on the order in which images were added.
        samples = tuple(self._samples[key] for key in sorted(self._samples))
        _check_split(samples)
        self._write("samples.csv", _to_csv(samples))
        self._write_judgements()
        files = dict(sorted(self._hashes.items()))
        # Counts follow from samples.csv, so they are not hashed.
        identity = _sha256(_canonical({"format": FORMAT, **self._head, "files": files}))
        document = {
            "format": FORMAT,
            "id": identity,
            **self._head,
            "counts": count(samples),
            "files": files,
        }
        (self._draft / "dataset.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
        if self._out.is_dir():
            self._out.rmdir()
        os.replace(self._draft, self._out)  # noqa: PTH105 - the one call that is atomic on a folder
        self.dataset = load_dataset(self._out)

    def _write_judgements(self) -> None:
        """No file for no row: a dataset without judgements has the id that it always had."""
        label_of = {image_id: sample.label for image_id, sample in self._samples.items()}
        if pairs := [pair for pair in self._pairs if {pair.real, pair.fake} <= label_of.keys()]:
            self._write(PAIRS, to_csv(pairs, ShownPair))
            read_pairs(self._draft / PAIRS, label_of)  # refuses what a reader would refuse
        if judged := [image for image in self._judged if image.image_id in label_of]:
            self._write(JUDGEMENTS, to_csv(judged, JudgedImage))
            read_judgements(self._draft / JUDGEMENTS, label_of)


def load_dataset(root: Path, *, verify: bool = False) -> DatasetFolder:
    """Read a dataset folder.

    verify : also compare the SHA-256 of every file with dataset.json (reads everything)
    `DatasetError`: a file is missing, was changed, or does not have the format
    """
    root = Path(root)
    head = _read_head(root / "dataset.json")
    samples = tuple(_read_samples(root / "samples.csv"))
    for table in ("samples.csv", PAIRS, JUDGEMENTS):
        _check_table(root / table, head["files"].get(table), needed=table == "samples.csv")
    _check_split(samples)
    _check_files(root, samples, head["files"], verify=verify)
    label_of = {sample.image_id: sample.label for sample in samples}
    keys = ("id", "study", "map_set", "parameters")
    return DatasetFolder(
        root=root,
        samples=samples,
        digests=head["files"],
        pairs=read_pairs(root / PAIRS, label_of) if PAIRS in head["files"] else (),
        judged=read_judgements(root / JUDGEMENTS, label_of) if JUDGEMENTS in head["files"] else {},
        **{key: head[key] for key in keys},
    )


def png_header(content: bytes, *, what: str) -> tuple[int, int, int, int]:
    """Width, height, bits per channel and colour type of a PNG (0 = greyscale), without decoding it."""
    if content[:8] != _PNG or content[12:16] != b"IHDR" or len(content) < 33:
        raise DatasetError(f"{what} is not a PNG file.")
    width, height, depth, colour = struct.unpack(">IIBB", content[16:26])
    return width, height, depth, colour


def _read_head(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise DatasetError(f"{path.parent} is not a dataset folder: it has no dataset.json.")
    try:
        head = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is not valid JSON: {error}.") from None
    wanted = {"format", "id", "study", "map_set", "parameters", "counts", "files"}
    if not isinstance(head, dict) or not wanted <= head.keys() or head["format"] != FORMAT:
        raise DatasetError(f"{path} is not a dataset description of format {FORMAT}.")
    return head


def _check_table(path: Path, digest: str | None, *, needed: bool) -> None:
    """A table that the description does not list is no part of the dataset."""
    if digest is None and not needed:
        return
    if not path.is_file():
        raise DatasetError(f"{path} is missing from the dataset.")
    if _sha256(path.read_bytes()) != digest:
        raise DatasetError(f"{path} was changed after the dataset was frozen.")


def _read_samples(path: Path) -> Iterator[Sample]:
    if not path.is_file():
        raise DatasetError(f"{path.parent} has no samples.csv.")
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise DatasetError(f"{path} must begin with the header {','.join(COLUMNS)}.")
        for number, row in enumerate(reader, start=2):
            yield _read_row(row, where=f"{path}, line {number}")


def _read_row(row: dict[str, str], *, where: str) -> Sample:
    if None in row or None in row.values():
        raise DatasetError(f"{where}: {len(COLUMNS)} fields are wanted.")
    if not row["annotators"].isdecimal():
        raise DatasetError(f"{where}: annotators must be a whole number, not {row['annotators']!r}.")
    read = {"source": original(row["source"]), "annotators": int(row["annotators"])}
    sample = Sample(**{**row, **read})  # type: ignore[arg-type]
    _check_sample(sample, where=where)
    return sample


def _check_sample(sample: Sample, *, where: str) -> None:
    if sample.label not in LABELS:
        raise DatasetError(f"{where}: the label must be real or fake, not {sample.label!r}.")
    if sample.split not in SPLITS:
        raise DatasetError(f"{where}: the split must be one of {', '.join(SPLITS)}, not {sample.split!r}.")
    for name in (sample.path, sample.map):
        if name.startswith("/") or ".." in Path(name).parts:
            raise DatasetError(f"{where}: {name!r} points outside the dataset.")


def _check_split(samples: tuple[Sample, ...]) -> None:
    if not samples:
        raise DatasetError("The dataset has no images.")
    labels = {sample.label for sample in samples if sample.split == "train"}
    if len(labels) == 1:
        raise DatasetError(f"The train split has only {labels.pop()} images; it needs both classes.")


def _check_files(root: Path, samples: tuple[Sample, ...], files: dict[str, str], *, verify: bool) -> None:
    for name in (name for sample in samples for name in (sample.path, sample.map) if name):
        if name not in files:
            raise DatasetError(f"{root / 'dataset.json'} does not list {name}.")
        if not (root / name).is_file():
            raise DatasetError(f"{root / name} is missing from the dataset.")
    for name, digest in files.items() if verify else ():
        if not (root / name).is_file() or _sha256((root / name).read_bytes()) != digest:
            raise DatasetError(f"{root / name} is not the file that was frozen.")


def _to_csv(samples: Iterable[Sample]) -> bytes:

    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample in samples:
        row = {column: getattr(sample, column) for column in COLUMNS}
        writer.writerow((row | {"source": cell(sample.source)}).values())
    return text.getvalue().encode()


def _canonical(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
