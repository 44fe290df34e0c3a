"""Evaluate a detector on degraded test images, with the threshold that its validation images fix."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import torch

from accuracy.statistics.delong import auc_interval
from accuracy.statistics.error_rates import best_threshold
from accuracy.statistics.proportions import mean_of_two, wilson
from accuracy.statistics.ranking import (
    Flags,
    Ranking,
    auc,
    average_precision,
    average_precision_interval,
    roc,
    tpr_at_fpr,
)
from training.data.dataset import DatasetFolder, Sample
from training.data.degradations import Degradation
from training.data.loading import as_input
from training.data.pixels import pixels_of
from training.errors import RunError
from training.evaluation.evaluator import Evaluator, Floats
from training.evaluation.score_table import ScoreTable
from training.events import HeartbeatEvent

FPR: Final = 0.005
"""The false positive rate at which detectors of faces are compared."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A number with its 95 % interval over images; None where it is not defined."""

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class DegradedRow:
    """What a detector reaches on images after one degradation."""

    degradation: str
    images: int
    auc: Measured
    accuracy: Measured
    balanced_accuracy: Measured
    ap: Measured
    tpr_at_fpr: Measured
    """Largest share of fakes found at a false positive rate of at most `FPR` on these very images."""
    tpr: Measured
    fpr: Measured
    """At the fixed threshold."""
    threshold: float

    def as_record(self) -> dict[str, Any]:
        """For JSON and CSV: `name`, `name_low`, `name_high`."""
        record: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                record |= {name: value["value"], f"{name}_low": value["low"], f"{name}_high": value["high"]}
            else:
                record[name] = value
        return record


def fixed_threshold(validation: ScoreTable, kind: str) -> float:
    """The threshold of the best balanced accuracy on a run's validation images, by logits.

    `RunError`: a class is missing among them, or a score is not finite
    """
    scores = validation.ranking[kind]
    threshold = best_threshold(scores, validation.fake) if np.isfinite(scores).all() else None
    if threshold is None:
        raise RunError("The validation images of the run fix no threshold: both labels are needed.")
    return threshold


def degraded_row(name: str, scores: Floats, fake: Flags, *, threshold: float) -> DegradedRow:
    """The numbers of one degradation.

    scores : (N,) finite, higher means fake
    fake : (N,) both labels
    threshold : scores above it say fake
    """
    ranking, says_fake = Ranking.of(scores, fake), scores > threshold
    positives, negatives = ranking.totals
    tpr, fpr = float(says_fake[fake].mean()), float(says_fake[~fake].mean())
    right = float((says_fake == fake).mean())
    balanced = mean_of_two((tpr, 1 - fpr), (positives, negatives))
    found = tpr_at_fpr(roc(ranking), fpr=FPR) or 0.0
    return DegradedRow(
        name,
        len(fake),
        Measured(auc(ranking), *(auc_interval(ranking) or ())),
        Measured(right, *wilson(right, len(fake))),
        Measured(balanced.value, balanced.low, balanced.high),
        Measured(average_precision(ranking), *(average_precision_interval(ranking) or ())),
        Measured(found, *wilson(found, positives)),
        Measured(tpr, *wilson(tpr, positives)),
        Measured(fpr, *wilson(fpr, negatives)),
        threshold,
    )


def degraded_logits(
    evaluator: Evaluator,
    dataset: DatasetFolder,
    samples: Sequence[Sample],
    degradation: Degradation | None,
    *,
    seed: int,
) -> Iterator[HeartbeatEvent | Floats]:
    """The logits (N, 2) of images after a degradation; yields a heartbeat for each batch, the result last.

    A frozen trunk sees the degraded pictures, too: nothing comes from a cache.
    """
    whole = replace(evaluator, trunk=None)
    whole.backbone.eval()

    def prepared(sample: Sample) -> Any:
        picture = pixels_of(dataset.root / sample.path)
        if degradation is not None:
            picture = degradation.apply(picture, seed=seed, image_id=sample.image_id)
        return as_input(picture, whole.backbone.network_input)

    logits = []
    with ThreadPoolExecutor(whole.workers) as pool:
        for begin in range(0, len(samples), whole.batch_size):
            batch = samples[begin : begin + whole.batch_size]
            pixels = torch.from_numpy(np.stack(list(pool.map(prepared, batch))))
            labels = torch.tensor([sample.target for sample in batch])
            logits.append(whole.predict(pixels, labels)[0].to("cpu", torch.float64).numpy())
            yield HeartbeatEvent(doing="degraded", done=begin + len(batch), total=len(samples))
    yield np.concatenate(logits)
