"""Prepare a run: network, optimiser and data on their device, before the first step."""

from collections.abc import Generator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.config import Attention, BlurOutside, RunConfig, is_file, plain_name
from training.data import loading
from training.data.augment import AugmentationDraws, augment, blur_outside, mirror
from training.data.batches import Pairs, paired_batches, shuffled_batches
from training.data.cautions import MapCounts, cautions, shortcut_cautions
from training.data.dataset import DatasetFolder, Sample
from training.data.human_maps import MapSettings
from training.data.loading import CacheSettings, SampleTensors
from training.data.pairing import pair_cautions, pairs_of
from training.data.sample_weights import SampleWeights, sample_weights
from training.data.selection import require_images, training_samples, validation_samples
from training.engine import distributed
from training.engine.device import Computation, decide, inference_batch_size, pick_device, set_determinism
from training.engine.frozen import FrozenHead, FrozenTrunk, pooled
from training.engine.optimiser import Optimiser
from training.errors import DatasetError
from training.events import HeartbeatEvent
from training.model.alpha import Alpha
from training.model.backbones import Backbone, build
from training.model.cam import is_flat
from training.model.freezing import freeze
from training.model.input_gradient import derived_score, input_gradient, twice_differentiable
from training.model.network_input import NetworkInput, scale_of
from training.model.pretrained_trunk import PretrainedTrunk
from training.model.weights import RANDOM, InitialWeights, initialise, recorded_scale


@dataclass(frozen=True, slots=True)
class BatchOutput:
    """A whole batch after the forward pass, gathered from all processes."""

    labels: Tensor  # (N,) int64
    human: Tensor  # (N, H, W) in [0, 1]
    present: Tensor  # (N,) bool
    features: Tensor  # (N, C, h, w)
    logits: Tensor  # (N, K)
    attention: Tensor | None  # (N, a, b) ≥ 0
    input_gradient: Tensor | None  # (N, 3, side, side) with a graph; in training, for objectives that need it
    sample_weights: Tensor | None  # (N,) of the cross-entropy of each sample


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that an epoch needs."""

    run: RunConfig
    device: torch.device
    computation: Computation
    backbone: Backbone
    model: nn.Module
    """The backbone as training calls it: plain, compiled, or wrapped for several processes."""
    optimiser: Optimiser
    scaler: torch.amp.GradScaler
    alpha: Alpha | None
    """Share of the cross-entropy, where it changes; None where the weights of the objective hold."""
    train: SampleTensors
    val: SampleTensors
    map_size: tuple[int, int]
    """Of the CAM; for the size of `train.human`, see `human_map_size`."""
    maps: str = ""
    """Fingerprint of maps that come from outside the dataset; empty without any."""
    teacher: dict[str, Any] = field(default_factory=dict)
    """Who drew these maps, with hashes; empty where nobody wrote it down."""
    start: InitialWeights = RANDOM
    """The weights before training."""
    cautions: tuple[str, ...] = ()
    """What a reader of the results must know of maps and images; see `training/data/cautions.py`."""
    pairs: Pairs = ()
    """Positions of the images in `train` that batches keep together; none: they are shuffled one by one."""
    sample_weights: SampleWeights | None = None
    """Of the images in `train`; None: they weigh the same."""

    @property
    def device_name(self) -> str:
        """The device, or how many of them, such as `2 × cuda`."""
        count = self.computation.processes
        return str(self.device) if count == 1 else f"{count} × {self.device.type}"

    def batches(self, epoch: int) -> list[Tensor]:
        """Positions in `train` of the images of each batch, every image once."""
        how = {"batch_size": self.run.batch_size, "seed": self.run.seed, "epoch": epoch}
        if self.pairs:
            return paired_batches(len(self.train), self.pairs, **how)
        return shuffled_batches(len(self.train), **how)

    def batch(self, samples: SampleTensors, index: Tensor) -> SampleTensors:
        """A batch on the device, its images as they are.

        index : (N,) int64 positions in `samples`, on the CPU
        Of several processes each gets the images of its own slice, and all labels and maps.
        """
        return samples.select(index, self.device, images=distributed.process_slice(len(index)))

    def training_batch(self, index: Tensor, draws: AugmentationDraws | None = None) -> SampleTensors:
        """A batch of the training images, changed as objective and augmentation want it, in this order.

        index : (N,) int64 positions, on the CPU
        draws : of all training images; None is no augmentation
        """
        batch = self._as_painted(self.batch(self.train, index))
        if draws is None:
            return batch
        if self.run.has_frozen_trunk:
            mirrored = draws.of(index).mirrored
            batch = self.train.mirror_features(batch, index, mirrored)
            return replace(batch, human=mirror(batch.human, mirrored))
        # Maps of all processes are mirrored: each process computes the loss of the whole batch.
        images = augment(batch.images, draws.of(index[distributed.process_slice(len(index))]))
        return replace(batch, images=images, human=mirror(batch.human, draws.of(index).mirrored))

    def _as_painted(self, batch: SampleTensors) -> SampleTensors:
        """Blurred where nobody painted, if that is the objective."""
        if not isinstance(self.run.objective, BlurOutside):
            return batch
        here = distributed.process_slice(len(batch))
        images = blur_outside(
            batch.images, batch.human[here], batch.present[here], sigma=self.run.objective.sigma
        )
        return replace(batch, images=images)

    def forward(self, batch: SampleTensors) -> BatchOutput:
        """The forward pass: this process computes its images, and gets the outputs of the whole batch."""
        inputs = batch.images
        if not self.run.has_frozen_trunk:
            inputs = self.backbone.normalise(inputs).to(memory_format=self.computation.memory_format)
        n = len(batch)
        differentiated = self.run.objective.needs_input_gradient and torch.is_grad_enabled()
        kernels = twice_differentiable() if differentiated else nullcontext()
        inputs.requires_grad_(differentiated)
        with kernels, self.computation.autocast(self.device), distributed.synchronised_batch_norm():
            features, logits = self._network(n)(inputs)
        attention = self.backbone.attention
        gradient = None
        if differentiated:  # on one device, whose labels are those of the whole batch
            gradient = input_gradient(derived_score(self.run.objective, logits, batch.labels), inputs)
        return BatchOutput(
            labels=batch.labels,
            human=batch.human,
            present=batch.present,
            features=distributed.gather(features, n),
            logits=distributed.gather(logits, n),
            attention=None if attention is None else distributed.gather(attention, n),
            input_gradient=gradient,
            sample_weights=batch.weights,
        )

    def _network(self, images: int) -> nn.Module:
        """The compiled network for the usual batch sizes: each other size would be compiled anew."""
        is_usual = images in (self.run.batch_size, inference_batch_size(self.run.batch_size, self.device))
        return (
            self.model if is_usual or not self.computation.compile else _trained_part(self.run, self.backbone)
        )


def new_backbone(run: RunConfig, *, network_input: NetworkInput | None = None) -> Backbone:
    """The network that a run trains, with random weights.

    network_input : as run.json has it; None for a new run, whose settings decide
    `ModelError`: unknown architecture, or one without class activation maps
    """
    tag = run.weights.partition(":")[2] if not is_file(run.weights) else ""
    backbone = build(
        f"{plain_name(run.architecture)}.{tag}" if tag else run.architecture,
        attention=isinstance(run.objective, Attention),
        network_input=network_input,
        image_size=run.image_size,
        scale=None if network_input else scale_of(run.scaling) or recorded_scale(run.weights),
        resize=run.resize,
        dropout=run.dropout,
        cam_tensor=run.cam_tensor,
        pooling=run.pooling,
        model_map=run.map,
    )
    freeze(backbone, run.freeze)
    return backbone


def human_map_size(run: RunConfig, backbone: Backbone) -> tuple[int, int]:
    """Height and width at which human maps are kept: those of the map that is guided, or of the images."""
    side = backbone.network_input.side
    return (side, side) if run.objective.needs_whole_maps else backbone.guided_map_size()


def _trained_part(run: RunConfig, backbone: Backbone) -> nn.Module:
    """The module that training calls: the network, or what stands behind its frozen trunk."""
    return FrozenHead(backbone) if run.has_frozen_trunk else backbone


def prepare(
    run: RunConfig,
    dataset: DatasetFolder,
    *,
    cache: Path | None = None,
    trunk: PretrainedTrunk | None = None,
) -> Generator[HeartbeatEvent, None, Setup]:
    """Build the network, load its weights, and decode the train and val splits; yields heartbeats.

    The same seed gives the same random weights.

    cache : folder for decoded images and features; None keeps them in memory
    trunk : what the stage before training made of the trunk; None without one
    `DatasetError`: a split is missing, or the objective needs maps and there are none
    `ModelError`: the weights do not fit
    """
    require_splits(run, dataset)
    # A stream of its own: what else a run draws does not change its first weights.
    torch.manual_seed(loading.stream_seed(run.seed, "weights"))
    backbone = new_backbone(run)
    start = initialise(backbone, architecture=run.architecture, weights=run.weights)
    if trunk is not None:
        trunk.load_into(backbone)
        start = replace(start, pretraining=trunk.record)
    samples = training_samples(run, dataset)
    pairs, weights = pairs_of(run, dataset, samples), sample_weights(run, dataset, samples)
    validation = validation_samples(run, dataset)
    cache_settings = CacheSettings(run.cache, cache)
    features = yield from _features(run, backbone, dataset, samples, validation, cache_settings)
    map_settings = MapSettings(run.maps, run.maps_folder, run.seed)
    load = partial(
        loading.load,
        dataset,
        network_input=backbone.network_input,
        map_size=human_map_size(run, backbone),
        workers=run.workers,
        cache=cache_settings,
    )
    train = load(samples, map_settings=map_settings, features=features.train)
    train = replace(train, mirrored=features.mirrored, weights=_as_tensor(weights))
    val = load(validation, features=features.val)
    # Counted before maps are dropped, so that a caution can tell too few maps from a low keep rate.
    maps_before = int(train.present.sum())
    train = loading.subsample_maps(train, samples, rate=_keep_rate(run), seed=run.seed)
    sentences = cautions(run, _map_counts(train, maps_before))
    steps = run.epochs * (len(samples) // run.batch_size)
    return replace(
        assemble(run, backbone, train, val, steps=steps),
        maps=map_settings.fingerprint(samples),
        teacher=map_settings.teacher_record(samples),
        start=start,
        cautions=(*sentences, *_cautions_of_data(run, dataset)),
        pairs=pairs,
        sample_weights=weights,
    )


def _as_tensor(weights: SampleWeights | None) -> Tensor | None:
    return None if weights is None else torch.from_numpy(weights.values)


@dataclass(frozen=True, slots=True)
class _Features:
    """Features of a frozen trunk; None where the trunk is trained."""

    train: Tensor | None = None  # (N, C, h, w)
    mirrored: Tensor | None = None  # (N, C, h, w)
    val: Tensor | None = None  # (N, C, 1, 1): validation needs the logits alone


def _features(
    run: RunConfig,
    backbone: Backbone,
    dataset: DatasetFolder,
    train: Sequence[Sample],
    val: Sequence[Sample],
    cache: CacheSettings,
) -> Generator[HeartbeatEvent, None, _Features]:
    device = pick_device(run.device)
    batch_size = inference_batch_size(run.batch_size, device)
    trunk = FrozenTrunk.of(run, backbone, batch_size=batch_size, cache=cache)
    if trunk is None:
        return _Features()
    backbone.to(device)
    train_features = yield from trunk.load(dataset, train, what="features of train")
    mirrored = None
    if run.augmentation.flip:
        mirrored = yield from trunk.load(dataset, train, what="features of mirrored train", mirrored=True)
    val_features = yield from trunk.load(dataset, val, what="features of val")
    return _Features(train_features, mirrored, pooled(val_features))


def assemble(
    run: RunConfig, backbone: Backbone, train: SampleTensors, val: SampleTensors, *, steps: int
) -> Setup:
    """Move network and data to their device and make the optimiser.

    steps : of the whole run; decides whether compiling pays
    """
    size = backbone.map_size()
    device, computation, model = place_on_device(run, backbone, steps=steps)
    return Setup(
        run=run,
        device=device,
        computation=computation,
        backbone=backbone,
        model=model,
        optimiser=Optimiser(backbone.net, run.optimiser, classifier=backbone.head),
        scaler=computation.scaler(device),
        alpha=Alpha.of(run.objective, epochs=run.epochs, device=device),
        train=train.to_device(device),
        val=val.to_device(device),
        map_size=size,
    )


def place_on_device(
    run: RunConfig, backbone: Backbone, *, steps: int
) -> tuple[torch.device, Computation, nn.Module]:
    """Move the network to its device; returns the device, how it computes there, and the network to call."""
    device = pick_device(run.device)
    set_determinism(run, device)
    computation = decide(run, device, steps=steps)
    backbone.to(device).to(memory_format=computation.memory_format)
    return device, computation, computation.prepare(_trained_part(run, backbone), device)


def expected_cautions(run: RunConfig, dataset: DatasetFolder) -> tuple[str, ...]:
    """Cautions before any image or map is read; none about maps that lie in another folder.

    `DatasetError`: the objective needs maps and there are none
    """
    return (*_expected_of_maps(run, dataset), *_cautions_of_data(run, dataset))


def _cautions_of_data(run: RunConfig, dataset: DatasetFolder) -> tuple[str, ...]:
    """About images, pairs and sample weights, which need no reading of maps."""
    samples = training_samples(run, dataset)
    weights = sample_weights(run, dataset, samples)
    of_weights = () if weights is None else weights.cautions
    return (*shortcut_cautions(dataset), *pair_cautions(run, dataset, samples), *of_weights)


def _expected_of_maps(run: RunConfig, dataset: DatasetFolder) -> tuple[str, ...]:
    if not run.needs_maps_of_the_dataset:
        return ()
    samples = training_samples(run, dataset)
    with_map = [sample for sample in samples if sample.map]
    rate = _keep_rate(run)
    labels = [sample.label for sample in with_map if loading.uses_map(sample, rate=rate, seed=run.seed)]
    real = labels.count("real")
    return cautions(run, MapCounts(len(samples), real, len(labels) - real, before_keep_rate=len(with_map)))


def _map_counts(train: SampleTensors, before_keep_rate: int) -> MapCounts:
    maps, labels = train.human[train.present], train.labels[train.present]
    fake, flat = int(labels.sum()), int(is_flat(maps).sum())
    return MapCounts(len(train), len(labels) - fake, fake, flat, before_keep_rate)


def _keep_rate(run: RunConfig) -> float:
    return float(getattr(run.objective, "keep_rate", 1.0))


def require_splits(run: RunConfig, dataset: DatasetFolder) -> None:
    """`DatasetError` unless the dataset has the train splits of a run, `val`, and the images it asks for."""
    for split in (*run.train_splits, "val"):
        if not dataset.of(split):
            raise DatasetError(
                f"The dataset {dataset.root} has no {split} split, which this run needs; freeze one that has."
            )
    require_images(run, dataset)
