"""How long a grid of runs may take: from a published table, or measured on the device at hand."""

import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from training.config import RunConfig
from training.errors import DatasetError

if TYPE_CHECKING:
    import torch

RTX_3090: Final[dict[str, float]] = {
    # Training images per second in mixed precision, channels last, at the size each network is made for, from
    # results/benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv of huggingface/pytorch-image-models, which
    # called legacy_xception `xception` then.
    "densenet121": 913.7,
    "resnet18": 3481.8,
    "resnet50": 1218.0,
    "inception_v3": 782.4,
    "legacy_xception": 497.6,
    "convnext_tiny": 819.2,
    "efficientnet_b0": 1751.7,
}

FORWARD_SHARE: Final = 1 / 3
"""An image that is only looked at costs a third of one that is learned from: the pass back costs two."""

PAPER_COUNTS: Final[Mapping[str, int]] = {"train": 1821, "extra": 10926, "val": 20000, "test": 700000}
"""Images of CYBORG, WACV 2023, for a plan without a dataset; `extra` is six times `train`."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a run lets through its network."""

    learned: int  # images, forward and back
    seen: int  # images, forward only

    @property
    def passes(self) -> float:
        """In images that are learned from."""
        return self.learned + self.seen * FORWARD_SHARE


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hours of a grid, where the speed of every architecture is known."""

    hours: dict[str, float]  # by architecture
    rates: Mapping[str, float]  # training images per second
    unknown: tuple[str, ...]

    @property
    def total(self) -> float:
        return sum(self.hours.values())


def work_of(run: RunConfig, counts: Mapping[str, int]) -> Work:
    """Images of all epochs, of the validation after each, and of the evaluation at the end."""
    sizes = {split: min(n, run.limit or n) for split, n in counts.items()}
    train = sum(sizes.get(split, 0) for split in run.train_splits)
    val = sizes.get("val", 0)
    return Work(learned=train * run.epochs, seen=val * run.epochs + train + val + sizes.get("test", 0))


def estimate(runs: Iterable[RunConfig], counts: Mapping[str, int], rates: Mapping[str, float]) -> Estimate:
    """Hours by architecture at these training images per second."""
    hours: dict[str, float] = {}
    unknown: dict[str, None] = {}
    for run in runs:
        if run.architecture not in rates:
            unknown[run.architecture] = None
            continue
        took = work_of(run, counts).passes / rates[run.architecture] / 3600
        hours[run.architecture] = hours.get(run.architecture, 0.0) + took
    return Estimate(hours, rates, tuple(unknown))


def counts_of(data: Path) -> tuple[Mapping[str, int], str]:
    """Images of each split, and whose they are: the dataset's, or the paper's where there is none."""
    from training.dataset import load_dataset

    if not (data / "dataset.json").is_file():
        return PAPER_COUNTS, "the images of CYBORG (WACV 2023)"
    dataset = load_dataset(data)
    counts = {split: row["images"] for split, row in dataset.counts.items()}
    if not counts.get("train"):
        raise DatasetError(f"The dataset {data} has no train split.")
    return counts, f"the images of {data}"


def rates_of_table() -> tuple[dict[str, float], str]:
    """Published speeds, and what they are worth."""
    return RTX_3090, (
        "Estimated, not measured: speeds of an RTX 3090 in mixed precision with batches of 128 to 512, as "
        "timm publishes them; small batches, float32 and reading images are slower, newer GPUs faster. "
        "--calibrate measures this device instead."
    )


def calibrate(runs: Sequence[RunConfig], *, steps: int = 3) -> tuple[dict[str, float], str]:
    """Training images per second of each architecture here, on images of noise, and how they were measured.

    Networks, losses, batch size and precision are those of the runs. One step warms up; the median of the
    others counts.
    """
    from training.device import pick_device

    first = {run.architecture: run for run in reversed(runs)}
    rates = {architecture: _rate(run, steps) for architecture, run in first.items()}
    devices = ", ".join(dict.fromkeys(str(pick_device(run.device)) for run in first.values()))
    return rates, f"Measured on {devices}: the median of {steps} steps each, without reading images."


def _rate(run: RunConfig, steps: int) -> float:
    import torch

    from training.objective import compute_loss
    from training.optimiser import Descent
    from training.setup import new_backbone, place

    backbone = new_backbone(run)
    device, computation, model = place(run, backbone, steps=run.epochs * 100)
    n, side, optimiser = run.batch_size, backbone.expects.side, Descent(backbone.net, run.optimiser)
    images = torch.rand(n, 3, side, side, device=device).to(memory_format=computation.memory_format)
    given = {
        "labels": torch.arange(n, device=device) % 2,
        "human": torch.rand(n, *backbone.guided_size(), device=device),
        "present": torch.ones(n, dtype=torch.bool, device=device),
    }
    took = []
    model.train()
    for _ in range(steps + 1):
        began = _now(device)
        with computation.autocast(device):
            features, logits = model(images)
        seen = {"features": features, "logits": logits, "weight": backbone.weight}
        loss = compute_loss(run.objective, **given, **seen, attention=backbone.attention).loss
        optimiser.forget_gradients()
        torch.autograd.backward(loss)
        optimiser.step(0.0)
        took.append(_now(device) - began)
    return n / statistics.median(took[1:])


def _now(device: "torch.device") -> float:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
