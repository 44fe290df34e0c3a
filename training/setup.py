"""All that a run needs before its first step."""

from dataclasses import dataclass

import torch
from torch import Tensor

from training import data
from training.backbones import Backbone, build
from training.config import RunConfig
from training.data import Cached
from training.dataset import Dataset
from training.device import make_repeatable, memory_format, pick_device
from training.errors import DatasetError
from training.optimiser import Descent
from training.weights import initialise


@dataclass(frozen=True, slots=True)
class Setup:
    """All that an epoch needs."""

    run: RunConfig
    device: torch.device
    backbone: Backbone
    optimiser: Descent
    train: Cached
    val: Cached

    def batch(self, cached: Cached, index: Tensor) -> tuple[Tensor, Cached]:
        """Normalised images, and the bytes they came from with labels and maps."""
        taken = cached.take(index, self.device)
        images = data.normalise(taken.images, self.backbone.expects)
        return images.to(memory_format=memory_format(self.device)), taken


def prepare(run: RunConfig, dataset: Dataset) -> Setup:
    """Network, optimiser and data, in place on the device. The same seed gives the same network."""
    require_splits(run, dataset)
    device = pick_device(run.device)
    make_repeatable(run, device)
    torch.manual_seed(data.stream_seed(run.seed, "weights"))
    backbone = build(run.architecture, image_size=run.image_size)
    initialise(backbone, architecture=run.architecture, weights=run.weights)
    size, side = backbone.map_size(), backbone.expects.side
    backbone.to(device).to(memory_format=memory_format(device))
    samples = {"train": dataset.of(*run.train_splits), "val": dataset.of("val")}
    cached = {
        name: data.load(dataset, chosen, side=side, map_size=size, workers=run.workers)
        for name, chosen in samples.items()
    }
    train = data.control_maps(cached["train"], run.maps, seed=run.seed)
    keep_rate = getattr(run.objective, "keep_rate", 1.0)
    train = data.keep_maps(train, samples["train"], rate=keep_rate, seed=run.seed)
    optimiser = Descent(backbone.net, run.optimiser)
    return Setup(run, device, backbone, optimiser, train.near(device), cached["val"].near(device))


def require_splits(run: RunConfig, dataset: Dataset) -> None:
    """Training needs a train split, and a val split to choose the epoch by; test is touched only after."""
    for split in (*run.train_splits, "val"):
        if not dataset.of(split):
            raise DatasetError(
                f"The dataset {dataset.root} has no {split} split, which this run needs; freeze one that has."
            )
