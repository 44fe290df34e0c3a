"""Let a network learn to draw the maps of images: mean squared error, chosen and stopped by held-out maps."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from training.config import OptimiserSettings, RunConfig
from training.data import loading
from training.data.augment import mirror
from training.data.batches import shuffled_batches
from training.data.dataset import DatasetFolder, Sample
from training.data.human_maps import MapSettings
from training.data.loading import CacheSettings, SampleTensors
from training.data.selection import training_samples, validation_samples
from training.engine.checkpoint import TrainingProgress, load_checkpoint, save_checkpoint
from training.engine.device import inference_batch_size
from training.engine.optimiser import Optimiser
from training.errors import DatasetError, RunError
from training.events import HeartbeatEvent
from training.model.network_input import NetworkInput

LEAST_MAPS: Final = 10
"""Fewer maps, of training or of validation images, are too few to learn from or to choose by."""
HELD_OUT: Final = 0.1
"""Share of the training maps that choose the epoch where validation images have too few."""


@dataclass(frozen=True, slots=True)
class MapLearning:
    """How a network learns to draw maps, by Adam at a constant rate."""

    epochs: int
    batch_size: int
    lr: float
    patience: int = 0
    """Epochs without a better validation after which it stops; 0 does all."""
    mirror: bool = False
    """Show half of the images mirrored, with their maps."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class MapImages:
    """Images with a map, to learn from and to choose the epoch by; maps are of the size of the images."""

    train: SampleTensors
    val: SampleTensors
    held_out: bool
    """Whether `val` was taken from the training images."""

    @property
    def counts(self) -> dict[str, Any]:
        """What a record says of them."""
        chosen_by = "training images held out" if self.held_out else "validation images"
        return {"images": len(self.train), "chosen_by": {"images": len(self.val), "of": chosen_by}}


def load_map_images(
    run: RunConfig,
    dataset: DatasetFolder,
    map_settings: MapSettings,
    network_input: NetworkInput,
    *,
    rate: float,
) -> MapImages:
    """The images of a run that have a map: its training images, and its validation images to choose by.

    rate : share of the training maps that is used: those of `keep_rate`
    `DatasetError`: fewer than `LEAST_MAPS` training images have one
    """
    side = network_input.side
    load = partial(
        loading.load,
        dataset,
        network_input=network_input,
        map_size=(side, side),
        workers=run.workers,
        cache=CacheSettings(),
        map_settings=map_settings,
    )
    samples = training_samples(run, dataset)
    train = loading.subsample_maps(load(samples), samples, rate=rate, seed=run.seed)
    if (count := int(train.present.sum())) < LEAST_MAPS:
        raise too_few_maps(dataset, count, of=len(samples))
    val = _with_map(load(validation_samples(run, dataset)))
    if len(val) >= LEAST_MAPS:
        return MapImages(_with_map(train), val, held_out=False)
    chosen = _held_out(samples, train.present, seed=run.seed)
    train, val = (replace(train, present=train.present & part) for part in (~chosen, chosen))
    return MapImages(_with_map(train), _with_map(val), held_out=True)


def too_few_maps(dataset: DatasetFolder, count: int, *, of: int) -> DatasetError:
    """The error of a dataset whose training images have too few maps to learn from."""
    return DatasetError(
        f"Maps are learned from at least {LEAST_MAPS} images that have one; of the {of} training images of "
        f"{dataset.root}, {count} have."
    )


def _held_out(samples: Sequence[Sample], present: Tensor, *, seed: int) -> Tensor:
    """(N,) bool: a tenth of the images that have a map, one at least; chosen by seed and image id alone."""
    draws = [loading.stream_seed(seed, "held out", sample.image_id) for sample in samples]
    order = sorted(present.nonzero()[:, 0].tolist(), key=draws.__getitem__)
    chosen = torch.zeros(len(samples), dtype=torch.bool)
    chosen[order[: max(1, round(HELD_OUT * len(order)))]] = True
    return chosen


def _with_map(samples: SampleTensors) -> SampleTensors:
    return samples.select(samples.present.nonzero()[:, 0], torch.device("cpu"))


class MapLearner:
    """A network that learns maps, with its checkpoints in a folder: it goes on where it was.

    net : scaled images (N, 3, side, side) -> maps (N, side, side) in [0, 1]; on its device
    scale : brings images (N, 3, side, side) uint8 to the scale that the network takes
    folder : gets `best.safetensors` and `last.safetensors`
    """

    def __init__(
        self, net: nn.Module, scale: Callable[[Tensor], Tensor], learning: MapLearning, folder: Path
    ) -> None:
        self.net, self.scale, self.learning = net, scale, learning
        self.device = next(net.parameters()).device
        self.best, self._last = folder / "best.safetensors", folder / "last.safetensors"
        adam = OptimiserSettings(name="adam", lr=learning.lr, weight_decay=0, step_epochs=0)
        self._optimiser = Optimiser(net, adam)

    def learn(self, images: MapImages, *, what: str) -> Generator[HeartbeatEvent, None, TrainingProgress]:
        """Learn, and load the weights of the best epoch; yields heartbeats.

        `best_accuracy` of the progress is 1 minus the mean squared error of the best epoch.

        `RunError`: the loss is not finite
        """
        progress = TrainingProgress()
        if self._last.is_file():
            progress = load_checkpoint(self._last, self.net, optimiser=self._optimiser)
        while not self._is_done(progress):
            yield HeartbeatEvent(doing=what, done=progress.epoch, total=self.learning.epochs)
            epoch = progress.epoch + 1
            yield from self._train_epoch(images.train, epoch, what)
            accuracy = 1 - self._error(images.val)
            best = accuracy > progress.best_accuracy
            progress = TrainingProgress(
                epoch,
                best_epoch=epoch if best else progress.best_epoch,
                best_accuracy=accuracy if best else progress.best_accuracy,
            )
            if best:
                save_checkpoint(self.best, self.net, progress)
            save_checkpoint(self._last, self.net, progress, optimiser=self._optimiser)
        load_checkpoint(self.best, self.net)
        return progress

    def forget_checkpoints(self) -> None:
        """Delete the checkpoints, when the weights are kept elsewhere."""
        self.best.unlink()
        self._last.unlink()

    def _is_done(self, progress: TrainingProgress) -> bool:
        waited = progress.epoch - progress.best_epoch
        return progress.epoch >= self.learning.epochs or 0 < self.learning.patience <= waited

    def _train_epoch(self, train: SampleTensors, epoch: int, what: str) -> Iterator[HeartbeatEvent]:
        learning = self.learning
        # A seed for each epoch, so that an interrupted one draws the same again.
        torch.manual_seed(loading.stream_seed(learning.seed, "map epoch", epoch))
        self.net.train()
        order = shuffled_batches(len(train), batch_size=learning.batch_size, seed=learning.seed, epoch=epoch)
        for number, index in enumerate(order):
            batch = train.select(index, self.device)
            mirrored = torch.rand(len(index)) < (0.5 if learning.mirror else 0)
            images, maps = (mirror(part, mirrored) for part in (batch.images, batch.human))
            loss = mse_loss(self.net(self.scale(images)), maps)
            if not torch.isfinite(loss):
                raise RunError(f"The loss of {what} became {loss.item()} in epoch {epoch}; try a lower lr.")
            self._optimiser.zero_grad()
            torch.autograd.backward(loss)
            self._optimiser.step(learning.lr)
            if number % 50 == 49:
                yield HeartbeatEvent(doing=what, done=epoch - 1, total=learning.epochs)

    @torch.no_grad()
    def _error(self, val: SampleTensors) -> float:
        """Mean squared error over the pixels of all images."""
        self.net.eval()
        total = 0.0
        for index in torch.split(torch.arange(len(val)), inference_batch_size(4, self.device)):
            batch = val.select(index, self.device)
            total += mse_loss(self.net(self.scale(batch.images)), batch.human).item() * len(batch)
        return total / len(val)


def learned(progress: TrainingProgress) -> dict[str, Any]:
    """What a record says of the result."""
    error = 1 - progress.best_accuracy
    return {"epochs": progress.epoch, "best_epoch": progress.best_epoch, "squared_error": error}
