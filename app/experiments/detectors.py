"""External detectors: trained elsewhere, and compared by their scores on the test images of a dataset."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import AlreadyExists, BadInput, NotFound
from app.models import Dataset, Detector
from app.storage import BlobStore
from training.data.dataset import DatasetFolder as Folder
from training.data.dataset import load_dataset
from training.errors import DatasetError
from training.evaluation.external_scores import (
    ImportedDetector,
    from_canonical_csv,
    read_scores,
    to_canonical_csv,
)
from training.evaluation.score_summary import ScoreSummary, summarise_scores
from training.evaluation.score_table import POOLED, SCORE, ImageLabel
from training.reporting.finished_runs import ExternalDetector


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """One imported detector, with what an import prints of it."""

    name: str
    images: int
    ignored: int
    """Rows about images of other splits."""
    auc: float | None


def import_scores(
    session: Session,
    blobs: BlobStore,
    dataset: Dataset,
    content: bytes,
    *,
    called: str,
    name: str | None = None,
    staff_id: int | None = None,
) -> list[ImportSummary]:
    """Import the detectors of a CSV file, all of them or none.

    The same scores under the same name again change nothing.

    name : another name than the file's, for a file of one detector
    `BadInput`: the file cannot be read, or `name` is given for several detectors
    `AlreadyExists`: the dataset has other scores under this name
    """
    try:
        folder = load_dataset(Path(dataset.folder))
        detectors = read_scores(content, _test_images(folder), called=called, known=_ids(folder))
    except DatasetError as error:
        raise BadInput(str(error)) from error
    if name and len(detectors) > 1:
        raise BadInput(f"{called} holds {len(detectors)} detectors; they cannot all be called {name}.")
    return [
        _import(session, blobs, dataset, detector, name or detector.name, staff_id) for detector in detectors
    ]


def _test_images(folder: Folder) -> list[ImageLabel]:
    images = [ImageLabel(sample.image_id, sample.label, sample.source) for sample in folder.of("test")]
    if not images:
        raise DatasetError(f"The dataset {folder.id[:16]} has no test split.")
    return images


def _ids(folder: Folder) -> list[str]:
    return [sample.image_id for sample in folder.samples]


def _import(
    session: Session,
    blobs: BlobStore,
    dataset: Dataset,
    imported: ImportedDetector,
    name: str,
    staff_id: int | None,
) -> ImportSummary:
    scores_hash = blobs.put(to_canonical_csv(imported.scores).encode())
    same_name = (Detector.dataset_id == dataset.id) & (Detector.name == name)
    known = session.scalar(select(Detector).where(same_name))
    if known is not None and known.scores_hash != scores_hash:
        raise AlreadyExists(f"This dataset has another detector {name} already; choose another name.")
    if known is None:
        session.add(Detector(dataset_id=dataset.id, name=name, scores_hash=scores_hash, created_by=staff_id))
    auc = summarise_scores(imported.scores).metrics[POOLED, SCORE]["auc"]
    return ImportSummary(name, len(imported.scores), imported.ignored, auc)


def remove_detector(session: Session, dataset: Dataset, name: str) -> None:
    """Remove a detector; `NotFound` when there is none of that name."""
    same_name = (Detector.dataset_id == dataset.id) & (Detector.name == name)
    known = session.scalar(select(Detector).where(same_name))
    if known is None:
        raise NotFound(f"There is no detector {name} on this dataset.")
    session.delete(known)


def detectors_on(session: Session, dataset: Dataset) -> Sequence[Detector]:
    """The external detectors of a dataset, by name."""
    query = select(Detector).where(Detector.dataset_id == dataset.id).order_by(Detector.name)
    return session.scalars(query).all()


def external_detectors_on(session: Session, blobs: BlobStore, dataset: Dataset) -> list[ExternalDetector]:
    """The external detectors of a dataset with the metrics of their scores."""
    return [
        ExternalDetector(detector.name, _summary(blobs, detector.scores_hash))
        for detector in detectors_on(session, dataset)
    ]


@lru_cache(maxsize=128)
def _summary(blobs: BlobStore, scores_hash: str) -> ScoreSummary:
    return summarise_scores(from_canonical_csv(blobs.get(scores_hash)))
