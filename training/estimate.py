"""Estimate how long a grid of runs takes, from tables of speeds or measured on this device."""

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
    # Images per second in training, validation and scoring: benchmarks/throughput.py --deterministic on an
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

MEASURED_STEPS: Final = {"cpu": 3, "cuda": 50}
"""Steps of a measurement, some seconds on either device; the first ones on a GPU are slow."""

PAPER_COUNTS: Final[Mapping[str, int]] = {"train": 1821, "extra": 10926, "val": 20000, "test": 700000}
"""Images of CYBORG, WACV 2023, for a plan without a dataset; `extra` is six times `train`."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Forward passes of a run, in images."""

    trained: int  # forward and backward
    validated: int  # forward only
    scored: int  # forward in float32, with the map


@dataclass(frozen=True, slots=True)
class Throughput:
    """Images per second of an architecture on a device, in training, validation and scoring."""

    training: float
    validation: float
    scoring: float

    def hours(self, work: Workload) -> float:
        """Hours for this work on one device."""
        seconds = work.trained / self.training + work.validated / self.validation + work.scored / self.scoring
        return seconds / 3600


@dataclass(frozen=True, slots=True)
class TimeEstimate:
    """Hours of a grid by architecture; `unknown` names those without a speed."""

    hours: dict[str, float]  # by `network_of` the run
    speeds: Mapping[str, Throughput]
    unknown: tuple[str, ...]

    @property
    def total(self) -> float:
        return sum(self.hours.values())


def workload(run: RunConfig, counts: Mapping[str, int]) -> Workload:
    """Images of all epochs, of the validation after each, and of the evaluation at the end."""
    sizes = {split: min(n, run.limit or n) for split, n in counts.items()}
    train = sum(sizes.get(split, 0) for split in run.train_splits)
    val = sizes.get("val", 0)
    return Workload(train * run.epochs, val * run.epochs, train + val + sizes.get("test", 0))


def network_of(run: RunConfig) -> str:
    """What a speed is of: the architecture, or its classifier behind a frozen trunk."""
    return f"{run.architecture} behind a frozen trunk" if run.has_frozen_trunk else run.architecture


def estimate(
    runs: Iterable[RunConfig], counts: Mapping[str, int], speeds: Mapping[str, Throughput]
) -> TimeEstimate:
    """Hours by architecture at these speeds."""
    hours: dict[str, float] = {}
    unknown: dict[str, None] = {}
    for run in runs:
        network = network_of(run)
        if network not in speeds:
            unknown[network] = None
            continue
        hours[network] = hours.get(network, 0.0) + speeds[network].hours(workload(run, counts))
    return TimeEstimate(hours, speeds, tuple(unknown))


def image_counts(data: Path | None) -> tuple[Mapping[str, int], str]:
    """Images of each split of a dataset, or of the paper's for None; and which of them, in words."""
    from training.data.dataset import load_dataset

    if data is None:
        return PAPER_COUNTS, "the images of CYBORG (WACV 2023)"
    dataset = load_dataset(data)
    counts = {split: row["images"] for split, row in dataset.counts.items()}
    if not counts.get("train"):
        raise DatasetError(f"The dataset {data} has no train split.")
    return counts, f"the images of {data}"


SpeedTable = tuple[dict[str, Throughput], str]
"""Speeds by architecture, and where they come from, in words."""


def speeds_of_tables() -> list[SpeedTable]:
    """Speeds of two GPUs: one measured with this loop, one published."""
    # timm's table has training speeds only. A backward pass costs about two forward passes, so validation is
    # three times as fast; scoring is in float32, half as fast as mixed precision.
    published = {name: Throughput(rate, 3 * rate, 1.5 * rate) for name, rate in RTX_3090.items()}
    ours = {name: Throughput(*rates) for name, rates in H200.items()}
    return [
        (ours, "On an NVIDIA H200, as measured with this loop and batches of 20, without reading images:"),
        (
            published,
            "On an RTX 3090, not measured and at least, from timm's table for batches of 128 to 512:",
        ),
    ]


def calibrate(runs: Sequence[RunConfig]) -> SpeedTable:
    """Measure the speed of each architecture on this device, with the training loop and images of noise.

    Objective, batch size and precision are those of the first run of each architecture. Features of a frozen
    trunk are there already.
    """
    first = {network_of(run): run for run in reversed(runs)}
    speeds = {network: measure(synthetic_setup(run)) for network, run in first.items()}
    devices = ", ".join(dict.fromkeys(speed.device for speed in speeds.values()))
    return dict(speeds), f"Measured on {devices}, without reading images:"


def synthetic_setup(run: RunConfig, *, steps: int | None = None) -> "Setup":
    """The setup of a run on images of noise, enough for `steps` steps; validation has as many images."""
    import torch

    from training.data.loading import SampleTensors
    from training.engine.device import pick_device
    from training.engine.setup import assemble, human_map_size, new_backbone

    backbone = new_backbone(run)
    steps = steps or MEASURED_STEPS[pick_device(run.device).type]
    images, side = steps * run.batch_size, backbone.network_input.side
    if run.has_frozen_trunk:
        inputs = torch.rand(images, backbone.weight.shape[1], *backbone.map_size())
    else:
        inputs = torch.randint(256, (images, 3, side, side), dtype=torch.uint8)
    noise = SampleTensors(
        images=inputs,
        labels=torch.arange(images) % 2,
        human=torch.rand(images, *human_map_size(run, backbone)),
        present=torch.ones(images, dtype=torch.bool),
    )
    return assemble(run, backbone, noise, noise, steps=run.epochs * 100)


@dataclass(frozen=True, slots=True)
class MeasuredThroughput(Throughput):
    """A measured speed, with the name of its device."""

    device: str


def score_validation(setup: "Setup") -> None:
    """Score the validation images as a test split: in float32, from memory, with their maps."""
    import torch

    from training.data.loading import CacheSettings
    from training.engine.device import inference_batch_size
    from training.engine.frozen import FrozenTrunk
    from training.evaluation.evaluator import Evaluator

    setup.backbone.eval()
    batch = inference_batch_size(setup.run.batch_size, setup.device)
    trunk = FrozenTrunk.of(setup.run, setup.backbone, batch_size=batch, cache=CacheSettings())
    evaluator = Evaluator(setup.backbone, "predicted", batch, trunk=trunk)
    for part in torch.split(torch.arange(len(setup.val)), batch):
        evaluator.predict(setup.val.images[part], setup.val.labels[part])


def measure(setup: "Setup") -> MeasuredThroughput:
    """Time one epoch of training, one validation and one scoring, each after one warm-up."""
    from training.engine.epoch_means import Means
    from training.engine.loop import train_epoch, validate
    from training.engine.step import make_step

    take_step = make_step(setup)

    def train() -> None:
        for _ in train_epoch(setup, take_step, 1, lr=1e-9, means=Means()):
            pass

    def seconds(work: Callable[[], object]) -> float:
        work()
        return _seconds(setup.device, work)

    return MeasuredThroughput(
        training=len(setup.train) / seconds(train),
        validation=len(setup.val) / seconds(partial(validate, setup)),
        scoring=len(setup.val) / seconds(partial(score_validation, setup)),
        device=setup.device_name,
    )


def _seconds(device: "torch.device", work: Callable[[], object]) -> float:
    import torch

    began = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
