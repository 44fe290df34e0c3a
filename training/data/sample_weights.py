"""Weights of training images by how easily people told the pairs that they were in. No torch.

Formulas, what they are after, and what is weighted: docs/losses.md.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np
from numpy.typing import NDArray

from training.config import RunConfig
from training.data.dataset import DatasetFolder, Sample
from training.data.judgements import JudgedImage
from training.errors import DatasetError


@dataclass(frozen=True, slots=True)
class SampleWeights:
    """The weights of training images, (N,) float32 > 0 or 0 with a mean of 1; 1 where nobody judged."""

    values: NDArray[np.float32]
    judged: int
    """Images that were judged."""

    @property
    def cautions(self) -> tuple[str, ...]:
        """A sentence where the weights can change nothing; usually none."""
        if (self.values == 1).all():
            return ("Every sample weight is 1: people judged all training images of a label alike.",)
        return ()

    def as_record(self) -> dict[str, float]:
        """For run.json."""
        low, high = float(self.values.min()), float(self.values.max())
        return {"judged": self.judged, "lowest": low, "highest": high}


def sample_weights(run: RunConfig, dataset: DatasetFolder, samples: Sequence[Sample]) -> SampleWeights | None:
    """The weights that a run gives its training images; None where it gives none.

    Weights are scaled within each label, so they move none from one label to the other.

    samples : the training images
    `DatasetError`: the run wants weights, and people judged none of these images
    """
    if run.sample_weights == "none":
        return None
    judged = {one.image_id: dataset.judged[one.image_id] for one in samples if one.image_id in dataset.judged}
    if not judged:
        raise DatasetError(
            f'sample_weights = "{run.sample_weights}" needs judgements of people, and the dataset '
            f"{dataset.root} keeps none of its training images; one that is frozen of a study does."
        )
    eases = _eases(run, judged)
    by_label: dict[str, list[str]] = defaultdict(list)
    for sample in samples:
        if sample.image_id in judged:
            by_label[sample.label].append(sample.image_id)
    weights: dict[str, float] = {}
    for image_ids in by_label.values():
        scaled = _scaled([eases[image_id] for image_id in image_ids])
        receivers = _next_ones(image_ids, run.seed) if run.sample_weight_control == "shuffled" else image_ids
        weights |= dict(zip(receivers, scaled, strict=True))
    values = np.array([weights.get(sample.image_id, 1.0) for sample in samples], np.float32)
    return SampleWeights(values, len(judged))


def _eases(run: RunConfig, judged: Mapping[str, JudgedImage]) -> dict[str, float]:
    """How easy each image is, from 0 to 1; for the priority `hard`, how hard."""
    if run.sample_weights == "accuracy":
        eases = {key: (one.correct + 1) / (one.judgements + 2) for key, one in judged.items()}
    else:
        usual = median(one.decision_ms for one in judged.values())
        eases = {key: _quickness(one.decision_ms, usual) for key, one in judged.items()}
    return eases if run.sample_weight_priority == "easy" else {key: 1 - ease for key, ease in eases.items()}


def _quickness(time: float, usual: float) -> float:
    """1 for no time, 1/2 for the usual one, towards 0 for ever longer ones."""
    return usual / (usual + time) if usual + time else 0.5


def _scaled(values: Sequence[float]) -> list[float]:
    """To a mean of 1; equal values are 1 exactly."""
    if min(values) == max(values):
        return [1.0] * len(values)
    mean = fmean(values)
    return [value / mean for value in values]


def _next_ones(image_ids: Iterable[str], seed: int) -> list[str]:
    """Another image for each, itself only if there is no other: the next in a circle that the seed draws."""
    image_ids = list(image_ids)
    circle = sorted(image_ids, key=lambda key: hashlib.sha256(f"{seed} weight {key}".encode()).digest())
    following = dict(zip(circle, circle[1:] + circle[:1], strict=True))
    return [following[image_id] for image_id in image_ids]
