"""The chosen epoch meets a split: scores, metrics, and what it looked at."""

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
from accuracy.statistics.error_rates import accuracy, acer
from accuracy.statistics.ranking import Ranking, auc, operating_points, roc
from saliency.files.spreadsheets import cell
from training.config import CamClass
from training.data import loading
from training.data.dataset import Dataset, Sample
from training.data.guidance import load_maps
from training.data.loading import Keep
from training.engine.device import SMALL_BATCH, memory_format
from training.evaluation.agreement import dice, overlap, spearman, squared_error
from training.evaluation.scored import with_opponents
from training.events import Heartbeat, Metrics
from training.files import write_text
from training.model.backbones import Backbone
from training.model.cam import class_activation_map, entropy, min_max

Floats = NDArray[np.float64]

AGREEMENT: Final = {"spearman": spearman, "iou": overlap, "dice": dice, "mse": squared_error}
TELL_EVERY_S = 1.0
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
class Scores:
    """What a detector said about each image of a split."""

    samples: tuple[Sample, ...]
    logits: Floats  # (N, 2)

    @property
    def fake(self) -> NDArray[np.bool_]:
        """(N,) the truth."""
        return np.array([sample.label == "fake" for sample in self.samples], bool)

    @property
    def ranking(self) -> dict[str, Floats]:
        """(N,) per kind of score: a logit that ranks as the score does, but does not saturate at 1."""
        return {"sigmoid": self.logits[:, 1], "softmax": self.logits[:, 1] - self.logits[:, 0]}


@dataclass(frozen=True, slots=True)
class Looks:
    """What a detector looked at: the maps of a split, scaled to [0, 1]."""

    cams: NDArray[np.float32]  # (N, h, w)
    human: NDArray[np.float32]  # (N, h, w); NaN where there is none
    entropies: Floats  # (N,) nats


@dataclass(frozen=True, slots=True)
class Examiner:
    """A network and how it is let look at images. Scores are float32, whatever the network learned in.

    batch_size : images at once
    workers : threads that decode; None is one per core
    keep : where decoded images are kept for the next network that meets them
    """

    backbone: Backbone
    cam_class: CamClass
    batch_size: int = SMALL_BATCH
    workers: int | None = None
    keep: Keep = field(default_factory=Keep)

    def batches(
        self, dataset: Dataset, samples: Sequence[Sample], of: int | None
    ) -> Iterator[tuple[Sequence[Sample], Tensor]]:
        expects, size = self.backbone.expects, self.batch_size
        images = loading.on_disk(
            dataset, samples, expects=expects, workers=self.workers, keep=self.keep, of=of
        )
        if images is not None:
            return loading.slices(samples, images, batch_size=size)
        return loading.stream(dataset.root, samples, expects=expects, batch_size=size, workers=self.workers)

    @torch.inference_mode()
    def look(self, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, side, side) uint8, (N,) -> logits (N, 2) and scaled maps (N, h, w), on the device."""
        device = self.backbone.weight.device
        images = self.backbone.normalise(pixels.to(device))
        features, logits = self.backbone(images.to(memory_format=memory_format(device)))
        target = logits.argmax(dim=1) if self.cam_class == "predicted" else labels.to(device)
        return logits, min_max(class_activation_map(features, self.backbone.weight, target).float())


def assess(
    examiner: Examiner, dataset: Dataset, samples: Sequence[Sample], *, what: str, of: int | None = None
) -> Iterator[Heartbeat | tuple[Scores, Looks]]:
    """Run the network over images of any number, in batches; the last thing it yields are the results.

    of : images of the whole split, if this is a part of it
    """
    logits, cams, entropies, humans = [], [], [], []
    examiner.backbone.eval()
    done, told = 0, time.monotonic()
    for chunk, pixels in examiner.batches(dataset, samples, of):
        out, maps = examiner.look(pixels, torch.tensor([sample.target for sample in chunk]))
        logits.append(out)
        cams.append(maps)
        entropies.append(entropy(maps))
        humans.append(load_maps(dataset, chunk, (maps.shape[1], maps.shape[2])).numpy())
        done += len(chunk)
        if time.monotonic() - told >= TELL_EVERY_S:
            told = time.monotonic()
            yield Heartbeat(doing=what, done=done, total=len(samples))
    yield (
        Scores(tuple(samples), _together(logits, torch.float64)),
        Looks(_together(cams, torch.float32), np.concatenate(humans), _together(entropies, torch.float64)),
    )


def _together(batches: Sequence[Tensor], kind: torch.dtype) -> NDArray[Any]:
    """From the device in one piece: whoever asks after each batch makes it wait for each."""
    return torch.cat(list(batches)).to("cpu", kind).numpy()


def summarise(scores: Scores, looks: Looks | None = None, *, headline: str = "sigmoid") -> Metrics:
    """All metrics of a split: `auc` by the headline score, then every metric by both, then AUC by source.

    A generator is set against all real images of the split, a camera against all fake ones.
    """
    fake, kinds = scores.fake, scores.ranking
    result: Metrics = {"images": float(len(scores.samples))}
    result["auc"] = auc(Ranking.of(kinds[headline], fake))
    result["accuracy"] = accuracy(kinds["softmax"], fake, threshold=0.0)
    for kind, values in kinds.items():
        result |= {f"{name}_{kind}": value for name, value in _by_score(values, fake).items()}
    result["calibration_error"] = calibration_error(expit(kinds["softmax"]), fake)
    sources = np.array([sample.source for sample in scores.samples])
    for source in sorted(set(sources.tolist())):
        keep = with_opponents(sources == source, fake)
        for kind, values in kinds.items():
            result[f"auc_{kind}/{source}"] = auc(Ranking.of(values[keep], fake[keep]))
    return result | (_by_look(looks) if looks is not None else {})


def _by_look(looks: Looks) -> Metrics:
    """Mean entropy of the model's maps, and their agreement with the human maps where there are any."""
    seen = ~np.isnan(looks.human).any(axis=(1, 2))
    result: Metrics = {"cam_entropy": float(looks.entropies.mean()), "with_map": float(seen.sum())}
    for name, measure in AGREEMENT.items():
        values = measure(looks.cams[seen], looks.human[seen]) if seen.any() else np.array([np.nan])
        defined = values[~np.isnan(values)]
        result[f"agreement_{name}"] = float(defined.mean()) if len(defined) else None
    return result


def _by_score(values: Floats, fake: NDArray[np.bool_]) -> Metrics:
    ranking = Ranking.of(values, fake)
    return {
        "auc": auc(ranking),
        **operating_points(roc(ranking)),
        "acer": acer(values, fake, threshold=0.0),
    }


def write_scores(path: Path, scores: Scores) -> None:
    """One row per image. Logits have all their digits, so that every score can be computed again."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SCORE_COLUMNS)
    sigmoid, softmax = (expit(scores.ranking[kind]) for kind in ("sigmoid", "softmax"))
    for sample, (real, fake), one, both in zip(scores.samples, scores.logits, sigmoid, softmax, strict=True):
        numbers = [f"{value:.9g}" for value in (real, fake, one, both)]
        writer.writerow([sample.image_id, sample.path, sample.label, cell(sample.source), *numbers])
    write_text(path, text.getvalue())
