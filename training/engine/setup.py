"""All that a run needs before its first step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from training.config import Attention, RunConfig, is_file, plain_name
from training.data import loading
from training.data.augment import Draws, augment, mirror
from training.data.cautions import Supply, cautions
from training.data.dataset import Dataset, Sample
from training.data.guidance import Guidance
from training.data.loading import Cached, Keep
from training.engine import distributed
from training.engine.device import Computation, decide, looking_batch, make_repeatable, pick_device
from training.engine.optimiser import Descent
from training.errors import DatasetError
from training.model.backbones import Backbone, build
from training.model.cam import is_flat
from training.model.network_input import Input, scale_of
from training.model.weights import RANDOM, Start, initialise, recorded_scale


@dataclass(frozen=True, slots=True)
class Batch:
    """A whole batch after its pass through the network, whichever process let which part through."""

    labels: Tensor  # (N,) int64
    human: Tensor  # (N, H, W) in [0, 1]
    present: Tensor  # (N,) bool
    features: Tensor  # (N, C, h, w)
    logits: Tensor  # (N, K)
    attention: Tensor | None  # (N, a, b) in [0, 1]


@dataclass(frozen=True, slots=True)
class Setup:
    """All that an epoch needs."""

    run: RunConfig
    device: torch.device
    computation: Computation
    backbone: Backbone
    model: nn.Module
    """The backbone as it is called: shared by processes, compiled, or itself."""
    optimiser: Descent
    scaler: torch.amp.GradScaler
    train: Cached
    val: Cached
    map_size: tuple[int, int]
    """Of the CAM; `train.human` has the size of the attention where there is one."""
    maps: str = ""
    """Fingerprint of maps that come from outside the dataset; empty without any."""
    start: Start = RANDOM
    """What the network began with."""
    cautions: tuple[str, ...] = ()
    """What is to be known of its maps by whoever reads its results."""

    @property
    def where(self) -> str:
        """The device in words."""
        several = self.computation.processes
        return str(self.device) if several == 1 else f"{several} × {self.device.type}"

    def take(self, cached: Cached, index: Tensor, draws: Draws | None = None) -> Cached:
        """A batch on the device, augmented as it was drawn for each image of the set.

        index : (N,) on the CPU. Of several processes each has the images of its own part, but all labels and
        maps
        """
        own = distributed.own_part(len(index))
        taken = cached.take(index, self.device, images=own)
        if draws is None:
            return taken
        images = augment(taken.images, draws.of(index[own]))
        return replace(taken, images=images, human=mirror(taken.human, draws.of(index).mirrored))

    def let_through(self, taken: Cached) -> Batch:
        """Let a batch through the network."""
        images = self.backbone.normalise(taken.images)
        images = images.to(memory_format=self.computation.memory_format)
        n = len(taken)
        with self.computation.autocast(self.device), distributed.shared_statistics():
            features, logits = self._network(n)(images)
        attention = self.backbone.attention
        return Batch(
            labels=taken.labels,
            human=taken.human,
            present=taken.present,
            features=distributed.gather(features, n),
            logits=distributed.gather(logits, n),
            attention=None if attention is None else distributed.gather(attention, n),
        )

    def _network(self, images: int) -> nn.Module:
        """The network as it is called; an odd last batch is not worth compiling for."""
        is_usual = images in (self.run.batch_size, looking_batch(self.run.batch_size, self.device))
        return self.model if is_usual or not self.computation.compile else self.backbone


def new_backbone(run: RunConfig, *, expects: Input | None = None) -> Backbone:
    """The network that a run trains, with random weights.

    expects : its input as the run recorded it; None where it begins
    """
    tag = run.weights.partition(":")[2] if not is_file(run.weights) else ""
    return build(
        f"{plain_name(run.architecture)}.{tag}" if tag else run.architecture,
        attention=isinstance(run.objective, Attention),
        expects=expects,
        image_size=run.image_size,
        scale=None if expects else scale_of(run.scaling) or recorded_scale(run.weights),
        resize=run.resize,
        dropout=run.dropout,
        cam_tensor=run.cam_tensor,
    )


def prepare(run: RunConfig, dataset: Dataset, *, cache: Path | None = None) -> Setup:
    """Network, optimiser and data, in place on the device. The same seed gives the same network.

    cache : folder in which decoded images may be kept
    """
    require_splits(run, dataset)
    torch.manual_seed(loading.stream_seed(run.seed, "weights"))
    backbone = new_backbone(run)
    start = initialise(backbone, architecture=run.architecture, weights=run.weights)
    samples = training_samples(run, dataset)
    guidance = Guidance(run.maps, run.maps_folder, run.seed)
    load = partial(
        loading.load,
        dataset,
        expects=backbone.expects,
        map_size=backbone.guided_size(),
        workers=run.workers,
        keep=Keep(run.cache, cache),
    )
    train = load(samples, guidance=guidance)
    val = load(loading.limited(dataset.of("val"), run.limit))
    given = int(train.present.sum())
    train = loading.keep_maps(train, samples, rate=_keep_rate(run), seed=run.seed)
    said = cautions(run, _supply(train, given))
    steps = run.epochs * (len(samples) // run.batch_size)
    maps = guidance.fingerprint(samples)
    return replace(assemble(run, backbone, train, val, steps=steps), maps=maps, start=start, cautions=said)


def assemble(run: RunConfig, backbone: Backbone, train: Cached, val: Cached, *, steps: int) -> Setup:
    """Bring network and data to their device; the other arguments are those of `Setup` and `decide`."""
    size = backbone.map_size()
    device, computation, model = place(run, backbone, steps=steps)
    return Setup(
        run=run,
        device=device,
        computation=computation,
        backbone=backbone,
        model=model,
        optimiser=Descent(backbone.net, run.optimiser),
        scaler=computation.scaler(device),
        train=train.near(device),
        val=val.near(device),
        map_size=size,
    )


def place(run: RunConfig, backbone: Backbone, *, steps: int) -> tuple[torch.device, Computation, nn.Module]:
    """Bring the network to its device; how it computes there, and the network as it is called."""
    device = pick_device(run.device)
    make_repeatable(run, device)
    computation = decide(run, device, steps=steps)
    backbone.to(device).to(memory_format=computation.memory_format)
    return device, computation, computation.prepare(backbone, device)


def training_samples(run: RunConfig, dataset: Dataset) -> Sequence[Sample]:
    """The images that a run learns from."""
    return loading.limited(dataset.of(*run.train_splits), run.limit)


def expected_cautions(run: RunConfig, dataset: Dataset) -> tuple[str, ...]:
    """What the dataset's table says of a run's maps before any is read; it says nothing of maps in a folder.

    `DatasetError`: there is none.
    """
    if not run.needs_maps_of_the_dataset:
        return ()
    samples = training_samples(run, dataset)
    given = [sample for sample in samples if sample.map]
    labels = [one.label for one in given if loading.is_kept(one, rate=_keep_rate(run), seed=run.seed)]
    real = labels.count("real")
    return cautions(run, Supply(len(samples), real, len(labels) - real, given=len(given)))


def _supply(train: Cached, given: int) -> Supply:
    maps, labels = train.human[train.present], train.labels[train.present]
    fake, flat = int(labels.sum()), int(is_flat(maps).sum())
    return Supply(len(train), len(labels) - fake, fake, flat, given)


def _keep_rate(run: RunConfig) -> float:
    return float(getattr(run.objective, "keep_rate", 1.0))


def require_splits(run: RunConfig, dataset: Dataset) -> None:
    """Training needs a train split, and a val split to choose the epoch by; test is touched only after."""
    for split in (*run.train_splits, "val"):
        if not dataset.of(split):
            raise DatasetError(
                f"The dataset {dataset.root} has no {split} split, which this run needs; freeze one that has."
            )
