"""How long a grid of runs may take: from a published table, or measured on the device at hand."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from training.config import RunConfig
from training.errors import DatasetError

if TYPE_CHECKING:
    import torch

    from training.engine.setup import Setup

H200: Final[dict[str, tuple[float, float, float]]] = {
    # Images per second to learn from, to look at, to score: benchmarks/throughput.py --deterministic on an
    # NVIDIA H200, batches of 20, bfloat16, torch 2.11.
    "densenet121": (1360.0, 8855, 5256),
    "resnet50": (2817.0, 14312, 7386),
    "inception_v3": (1416.0, 7108, 4354),
    "legacy_xception": (1471.0, 5930, 3514),
}

RTX_3090: Final[dict[str, float]] = {
    # Training images per second in mixed precision, channels last, at the size each network is made for, from
    # results/benchmark-train-amp-nhwc-pt112-cu113-rtx3090.csv of huggingface/pytorch-image-models, which
    # called legacy_xception `xception` then. Its batches are of 512 images (ResNet-50), 256 (DenseNet-121,
    # Inception) or 128 (Xception); batches of 20 are slower, so hours by these speeds are the least.
    "densenet121": 913.7,
    "resnet18": 3481.8,
    "resnet50": 1218.0,
    "inception_v3": 782.4,
    "legacy_xception": 497.6,
    "convnext_tiny": 819.2,
    "efficientnet_b0": 1751.7,
}

REHEARSED_STEPS: Final = {"cpu": 3, "cuda": 50}
"""Some seconds of either; on a GPU the first few are no measure of the others."""

PAPER_COUNTS: Final[Mapping[str, int]] = {"train": 1821, "extra": 10926, "val": 20000, "test": 700000}
"""Images of CYBORG, WACV 2023, for a plan without a dataset; `extra` is six times `train`."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a run lets through its network, in images."""

    learned: int  # forward and back
    seen: int  # forward only
    scored: int  # forward in float32, with the map


@dataclass(frozen=True, slots=True)
class Speed:
    """Images per second of an architecture on a device."""

    learning: float
    seeing: float
    scoring: float

    def hours(self, work: Work) -> float:
        seconds = work.learned / self.learning + work.seen / self.seeing + work.scored / self.scoring
        return seconds / 3600


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hours of a grid, where the speed of every architecture is known."""

    hours: dict[str, float]  # by architecture
    speeds: Mapping[str, Speed]
    unknown: tuple[str, ...]

    @property
    def total(self) -> float:
        return sum(self.hours.values())


def work_of(run: RunConfig, counts: Mapping[str, int]) -> Work:
    """Images of all epochs, of the validation after each, and of the evaluation at the end."""
    sizes = {split: min(n, run.limit or n) for split, n in counts.items()}
    train = sum(sizes.get(split, 0) for split in run.train_splits)
    val = sizes.get("val", 0)
    return Work(train * run.epochs, val * run.epochs, train + val + sizes.get("test", 0))


def estimate(runs: Iterable[RunConfig], counts: Mapping[str, int], speeds: Mapping[str, Speed]) -> Estimate:
    """Hours by architecture at these speeds."""
    hours: dict[str, float] = {}
    unknown: dict[str, None] = {}
    for run in runs:
        if run.architecture not in speeds:
            unknown[run.architecture] = None
            continue
        took = speeds[run.architecture].hours(work_of(run, counts))
        hours[run.architecture] = hours.get(run.architecture, 0.0) + took
    return Estimate(hours, speeds, tuple(unknown))


def counts_of(data: Path | None) -> tuple[Mapping[str, int], str]:
    """Images of each split, and whose they are: the dataset's, or the paper's where there is none."""
    from training.data.dataset import load_dataset

    if data is None:
        return PAPER_COUNTS, "the images of CYBORG (WACV 2023)"
    dataset = load_dataset(data)
    counts = {split: row["images"] for split, row in dataset.counts.items()}
    if not counts.get("train"):
        raise DatasetError(f"The dataset {data} has no train split.")
    return counts, f"the images of {data}"


Basis = tuple[dict[str, Speed], str]
"""Speeds by architecture, and what they are worth in words."""


def speeds_of_tables() -> list[Basis]:
    """Speeds of two GPUs: one measured with this loop, one published."""
    # An image that is only looked at costs a third of one that is learned from: the pass back costs two; half
    # as fast is float32 beside mixed precision.
    published = {name: Speed(rate, 3 * rate, 1.5 * rate) for name, rate in RTX_3090.items()}
    ours = {name: Speed(*rates) for name, rates in H200.items()}
    return [
        (ours, "On an NVIDIA H200, as measured with this loop and batches of 20, without reading images:"),
        (
            published,
            "On an RTX 3090, not measured and at least, from timm's table for batches of 128 to 512:",
        ),
    ]


def calibrate(runs: Sequence[RunConfig]) -> Basis:
    """The speed of each architecture here, on images of noise, and how it was measured.

    Networks, objectives, batch size and precision are those of the runs; the loop is the one that trains.
    """
    first = {run.architecture: run for run in reversed(runs)}
    speeds = {architecture: measure(rehearse(run)) for architecture, run in first.items()}
    devices = ", ".join(dict.fromkeys(speed.device for speed in speeds.values()))
    return dict(speeds), f"Measured on {devices}, without reading images:"


def rehearse(run: RunConfig, *, steps: int | None = None) -> "Setup":
    """All that an epoch of so many steps needs, on images of noise; validation has as many images."""
    import torch

    from training.data.loading import Cached
    from training.engine.device import pick_device
    from training.engine.setup import assemble, new_backbone

    backbone = new_backbone(run)
    steps = steps or REHEARSED_STEPS[pick_device(run.device).type]
    images, side = steps * run.batch_size, backbone.expects.side
    noise = Cached(
        images=torch.randint(256, (images, 3, side, side), dtype=torch.uint8),
        labels=torch.arange(images) % 2,
        human=torch.rand(images, *backbone.guided_size()),
        present=torch.ones(images, dtype=torch.bool),
    )
    return assemble(run, backbone, noise, noise, steps=run.epochs * 100)


@dataclass(frozen=True, slots=True)
class Measured(Speed):
    """A speed that was measured."""

    device: str


def score_all(setup: "Setup") -> None:
    """The validation images as a test set: float32, from memory, with their maps."""
    import torch

    from training.engine.device import looking_batch
    from training.evaluation.evaluate import Examiner

    setup.backbone.eval()
    batch = looking_batch(setup.run.batch_size, setup.device)
    examiner = Examiner(setup.backbone, "predicted", batch)
    for part in torch.split(torch.arange(len(setup.val)), batch):
        examiner.look(setup.val.images[part], setup.val.labels[part])


def measure(setup: "Setup") -> Measured:
    """Train one epoch, validate and score once, after one of each to warm up."""
    from training.engine.loop import train_epoch, validate
    from training.engine.means import Means
    from training.engine.step import step_of

    take_step = step_of(setup)

    def learn() -> None:
        for _ in train_epoch(setup, take_step, 1, lr=1e-9, means=Means()):
            pass

    def seconds(work: Callable[[], object]) -> float:
        work()
        return _seconds(setup.device, work)

    return Measured(
        learning=len(setup.train) / seconds(learn),
        seeing=len(setup.val) / seconds(partial(validate, setup)),
        scoring=len(setup.val) / seconds(partial(score_all, setup)),
        device=setup.where,
    )


def _seconds(device: "torch.device", work: Callable[[], object]) -> float:
    import torch

    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
