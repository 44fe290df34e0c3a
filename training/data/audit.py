"""Audit the images of a dataset folder for shortcuts: `accuracy.shortcuts` has the numbers. No torch."""

from accuracy.shortcuts.audit import AuditedImage, ShortcutAudit, audit, positions_looked_at
from accuracy.shortcuts.features import pixel_features
from training.data.dataset import AUDIT, DatasetFolder, Sample
from training.data.pixels import pixels_of
from training.files import read_json


def stored_audit(dataset: DatasetFolder) -> ShortcutAudit | None:
    """The audit that was made when the dataset was frozen; None where there is none."""
    path = dataset.root / AUDIT
    return ShortcutAudit.of_record(read_json(path)) if path.is_file() else None


def audit_dataset(dataset: DatasetFolder) -> ShortcutAudit | None:
    """That audit, or one of the pictures as they are; None for too few images.

    A dataset folder does not know what the files were that its images came from, nor where their faces are.
    """
    if (stored := stored_audit(dataset)) is not None:
        return stored
    samples = dataset.samples
    keys, fake = [sample.image_id for sample in samples], [sample.label == "fake" for sample in samples]
    chosen = positions_looked_at(keys, fake)
    return audit([_measured(dataset, samples[at]) for at in chosen], of=len(samples))


def _measured(dataset: DatasetFolder, sample: Sample) -> AuditedImage:
    features = pixel_features(pixels_of(dataset.root / sample.path))
    return AuditedImage(sample.image_id, sample.label == "fake", sample.source, features)
