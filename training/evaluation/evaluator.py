"""Evaluate a network on a split: logits, class activation maps, and the metrics made of them."""

import csv
import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

from accuracy.statistics.calibration import calibration_error
from accuracy.statistics.error_rates import accuracy, acer, balanced_accuracy
from accuracy.statistics.ranking import Ranking, auc, average_precision, operating_points, roc
from saliency.files.spreadsheets import cell
from training.config import CamClass
from training.data import loading
from training.data.dataset import DatasetFolder, Sample
from training.data.human_maps import load_maps
from training.data.loading import CacheSettings
from training.engine.device import CPU_BATCH, DTYPES, Precision, memory_format
from training.engine.frozen import FrozenTrunk
from training.evaluation.agreement import dice, overlap, spearman, squared_error
from training.evaluation.score_table import with_other_class
from training.events import HeartbeatEvent, Metrics
from training.files import write_text
from training.model.backbones import Backbone
from training.model.cam import entropy

Floats = NDArray[np.float64]

AGREEMENT: Final = {"spearman": spearman, "iou": overlap, "dice": dice, "mse": squared_error}
REPORT_EVERY_S = 1.0
SCORE_COLUMNS = (
    "image_id",
    "path",
    "label",
    "source",
    "logit_real",
    "logit_fake",
    "score_sigmoid",
    "score_softmax",
)


@dataclass(frozen=True, slots=True)
class SplitLogits:
    """The logits of a detector for each image of a split."""

    samples: tuple[Sample, ...]
    logits: Floats  # (N, 2)

    @property
    def fake(self) -> NDArray[np.bool_]:
        """(N,) whether each image is fake."""
        return np.array([sample.label == "fake" for sample in self.samples], bool)

    @property
    def ranking(self) -> dict[str, Floats]:
        """(N,) per kind of score: a logit in the same order as the score, which does not saturate at 1."""
        return {"sigmoid": self.logits[:, 1], "softmax": self.logits[:, 1] - self.logits[:, 0]}


@dataclass(frozen=True, slots=True)
class SplitMaps:
    """The class activation maps of a split, scaled to [0, 1], beside the human maps."""

    cams: NDArray[np.float32]  # (N, h, w)
    human: NDArray[np.float32]  # (N, h, w); NaN where there is none
    entropies: Floats  # (N,) nats


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Computes logits and maps of images with a trained network; losses and maps are in float32 always.

    cam_class : class that the maps explain
    batch_size : images per forward pass
    workers : threads that decode; None is one per core
    cache : where decoded images are kept for the next evaluation
    trunk : the frozen trunk, whose features take the place of images; None if it was trained
    precision : of the network's forward pass, whatever it was trained in
    folded_layers : batch normalisations that the network has no more; see `fast_scoring.py`
    """

    backbone: Backbone
    cam_class: CamClass
    batch_size: int = CPU_BATCH
    workers: int | None = None
    cache: CacheSettings = field(default_factory=CacheSettings)
    trunk: FrozenTrunk | None = None
    precision: Precision = "float32"
    folded_layers: int = 0

    def batches(
        self, dataset: DatasetFolder, samples: Sequence[Sample], of: int | None
    ) -> Iterator[tuple[Sequence[Sample], Tensor]]:
        """Samples and their images (N, 3, side, side) uint8, from the cache or decoded ahead; or features."""
        if self.trunk is not None:
            return self.trunk.batches(dataset, samples)
        network_input, size = self.backbone.network_input, self.batch_size
        images = loading.disk_cached_images(
            dataset, samples, network_input=network_input, workers=self.workers, cache=self.cache, of=of
        )
        if images is not None:
            return loading.cached_batches(samples, images, batch_size=size)
        return loading.decoded_batches(
            dataset.root, samples, network_input=network_input, batch_size=size, workers=self.workers
        )

    @torch.inference_mode()
    def predict(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, 2) and maps (N, h, w) in [0, 1], both on the device.

        pixels : (N, 3, side, side) uint8 RGB; with a frozen trunk (N, C, h, w) float32, its features
        labels : (N,) int64; not used where `cam_class` is `predicted`
        """
        device = self.backbone.weight.device
        features, logits = self._forward(pixels.to(device))
        return logits, self.backbone.explain(self.cam_class, features, logits, labels.to(device))

    @property
    def layout(self) -> torch.memory_format:
        """Channels last on a GPU, and on a CPU for a folded network, which is faster with it."""
        device = self.backbone.weight.device
        return torch.channels_last if self.folded_layers else memory_format(device)

    def _forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        if self.trunk is not None:
            return inputs, self.backbone.classify(inputs)
        images = self.backbone.normalise(inputs).to(memory_format=self.layout)
        half = self.precision != "float32"
        with torch.autocast(inputs.device.type, dtype=DTYPES[self.precision], enabled=half):
            features, logits = self.backbone(images)
        return features.float(), logits.float()


def evaluate_samples(
    evaluator: Evaluator,
    dataset: DatasetFolder,
    samples: Sequence[Sample],
    *,
    what: str,
    of: int | None = None,
) -> Iterator[HeartbeatEvent | tuple[SplitLogits, SplitMaps]]:
    """Evaluate images of any number, in batches; yields heartbeats, and the result last.

    what : name of the work in heartbeats
    of : number of images in the whole split, if `samples` are a part of it
    """
    logits, cams, entropies, human_maps = [], [], [], []
    evaluator.backbone.eval()
    done, reported = 0, time.monotonic()
    for chunk, pixels in evaluator.batches(dataset, samples, of):
        batch_logits, maps = evaluator.predict(pixels, torch.tensor([sample.target for sample in chunk]))
        logits.append(batch_logits)
        cams.append(maps)
        entropies.append(entropy(maps))
        human_maps.append(load_maps(dataset, chunk, (maps.shape[1], maps.shape[2])).numpy())
        done += len(chunk)
        if time.monotonic() - reported >= REPORT_EVERY_S:
            reported = time.monotonic()
            yield HeartbeatEvent(doing=what, done=done, total=len(samples))
    yield (
        SplitLogits(tuple(samples), _together(logits, torch.float64)),
        SplitMaps(
            _together(cams, torch.float32), np.concatenate(human_maps), _together(entropies, torch.float64)
        ),
    )


def _together(batches: Sequence[Tensor], kind: torch.dtype) -> NDArray[Any]:
    """All batches in one array, copied at once: a copy per batch would make the device wait each time."""
    return torch.cat(list(batches)).to("cpu", kind).numpy()


def split_metrics(
    scores: SplitLogits, maps: SplitMaps | None = None, *, headline: str = "sigmoid"
) -> Metrics:
    """All metrics of a split, as metrics.json has them; docs/training.md, "Metrics".

    First `auc` by the headline score, then every metric by both scores, then AUC by source: a generator with
    all real images of the split, a camera with all fake ones. None where a metric is undefined.

    maps : None leaves out entropy and agreement
    """
    fake, kinds = scores.fake, scores.ranking
    result: Metrics = {"images": float(len(scores.samples))}
    result["auc"] = auc(Ranking.of(kinds[headline], fake))
    result["accuracy"] = accuracy(kinds["softmax"], fake, threshold=0.0)
    for kind, values in kinds.items():
        result |= {f"{name}_{kind}": value for name, value in _ranking_metrics(values, fake).items()}
    result["calibration_error"] = calibration_error(expit(kinds["softmax"]), fake)
    sources = np.array([sample.source for sample in scores.samples])
    for source in sorted(set(sources.tolist())):
        chosen = with_other_class(sources == source, fake)
        for kind, values in kinds.items():
            result[f"auc_{kind}/{source}"] = auc(Ranking.of(values[chosen], fake[chosen]))
    return result | (_map_metrics(maps) if maps is not None else {})


def _map_metrics(maps: SplitMaps) -> Metrics:
    """Mean entropy of the model's maps, and mean agreement with the human maps; None without any."""
    has_map = ~np.isnan(maps.human).any(axis=(1, 2))
    result: Metrics = {"cam_entropy": float(maps.entropies.mean()), "with_map": float(has_map.sum())}
    for name, measure in AGREEMENT.items():
        values = measure(maps.cams[has_map], maps.human[has_map]) if has_map.any() else np.array([np.nan])
        defined = values[~np.isnan(values)]
        result[f"agreement_{name}"] = float(defined.mean()) if len(defined) else None
    return result


def _ranking_metrics(values: Floats, fake: NDArray[np.bool_]) -> Metrics:
    ranking = Ranking.of(values, fake)
    return {
        "auc": auc(ranking),
        "ap": average_precision(ranking),
        **operating_points(roc(ranking)),
        "acer": acer(values, fake, threshold=0.0),
        "balanced_accuracy": balanced_accuracy(values, fake, threshold=0.0),
    }


def write_scores(path: Path, scores: SplitLogits) -> None:
    """One row per image. Logits have nine digits, enough to compute every score again in float32."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SCORE_COLUMNS)
    sigmoid, softmax = (expit(scores.ranking[kind]) for kind in ("sigmoid", "softmax"))
    for sample, (real, fake), sigmoid_score, softmax_score in zip(
        scores.samples, scores.logits, sigmoid, softmax, strict=True
    ):
        numbers = [f"{value:.9g}" for value in (real, fake, sigmoid_score, softmax_score)]
        writer.writerow([sample.image_id, sample.path, sample.label, cell(sample.source), *numbers])
    write_text(path, text.getvalue())
