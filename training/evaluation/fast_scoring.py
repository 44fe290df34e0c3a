"""Score images faster: batch normalisation folded, and half precision on a GPU; with what that may change.

On images of the split itself, both ways are compared. If no score of the split moves by more than the
largest difference found there, two images can change order only if their scores lie within twice that.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from training.data.dataset import DatasetFolder, Sample
from training.engine.device import Precision
from training.evaluation.evaluator import Evaluator, SplitLogits, evaluate_samples
from training.model.folding import folded

CHECKED: Final = 256
"""Images that are scored both ways."""


@dataclass(frozen=True, slots=True)
class ScoringRecord:
    """How a split was scored, and how far that may be from exact scores; a part of the results.

    largest_difference : of the headline score in logits, among the checked images
    most_ranks : most other images of the split that one image may change order with, at that difference
    auc_bound : largest difference of the AUC, at that difference; None without both labels
    """

    precision: Precision
    folded_layers: int
    checked_images: int
    largest_difference: float
    most_ranks: int
    auc_bound: float | None


class Scorer:
    """Scores exactly, or faster: `evaluator` is the one to use."""

    def __init__(self, exact: Evaluator, *, fast: bool) -> None:
        self.is_fast = fast and exact.trunk is None  # behind a frozen trunk there is nothing to fold
        self.evaluator = faster(exact) if self.is_fast else exact
        self._exact = exact

    def record(self, dataset: DatasetFolder, scores: SplitLogits, score: str) -> dict[str, Any]:
        """Score up to 256 images, evenly spread over the split, both ways; returns a `ScoringRecord` as JSON.

        score : `sigmoid` or `softmax`, the headline score
        """
        chosen = [scores.samples[i] for i in checked_positions(len(scores.samples))]
        exact, fast = (
            _logits(evaluator, dataset, chosen).ranking[score] for evaluator in (self._exact, self.evaluator)
        )
        largest = float(np.abs(exact - fast).max())
        values = scores.ranking[score]
        record = ScoringRecord(
            precision=self.evaluator.precision,
            folded_layers=self.evaluator.folded_layers,
            checked_images=len(chosen),
            largest_difference=largest,
            most_ranks=most_ranks(values, largest),
            auc_bound=auc_bound(values, scores.fake, largest),
        )
        return asdict(record)


def faster(exact: Evaluator) -> Evaluator:
    """An evaluator of a copy of the network without batch normalisation, on a GPU in float16."""
    backbone, layers = folded(exact.backbone)
    backbone.to(memory_format=torch.channels_last)
    # float16 has as many digits as TF32, in which a GPU's convolutions compute anyway; bfloat16 has fewer.
    precision: Precision = "float16" if backbone.weight.device.type == "cuda" else "float32"
    return replace(exact, backbone=backbone, precision=precision, folded_layers=layers)


def checked_positions(n: int) -> list[int]:
    """Up to 256 positions of n images, evenly spread."""
    return np.unique(np.linspace(0, n - 1, min(n, CHECKED)).round().astype(int)).tolist() if n else []


def most_ranks(scores: NDArray[np.float64], difference: float) -> int:
    """The most other scores (N,) that lie within twice the difference of one; 0 for fewer than two."""
    if len(scores) < 2:
        return 0
    ordered = np.sort(scores)
    low = np.searchsorted(ordered, ordered - 2 * difference, side="left")
    high = np.searchsorted(ordered, ordered + 2 * difference, side="right")
    return int((high - low).max()) - 1


def auc_bound(scores: NDArray[np.float64], fake: NDArray[np.bool_], difference: float) -> float | None:
    """The share of pairs, real and fake, whose scores lie within twice the difference: each may turn round.

    scores, fake : (N,)
    """
    if fake.all() or not fake.any():
        return None
    real = np.sort(scores[~fake])
    low = np.searchsorted(real, scores[fake] - 2 * difference, side="left")
    high = np.searchsorted(real, scores[fake] + 2 * difference, side="right")
    return float((high - low).mean() / len(real))


def _logits(evaluator: Evaluator, dataset: DatasetFolder, samples: Sequence[Sample]) -> SplitLogits:
    for outcome in evaluate_samples(evaluator, dataset, samples, what="check scores"):
        if isinstance(outcome, tuple):
            return outcome[0]
    raise AssertionError("an evaluation ends with its result")
