"""The training loop: epochs, validation, checkpoints. It yields events; its callers print and store them."""

import time
from collections.abc import Iterator
from functools import partial

import torch
from torch.nn.functional import cross_entropy

from training.data import augment, loading
from training.engine import distributed
from training.engine.checkpoint import TrainingProgress, load_checkpoint, save_checkpoint
from training.engine.device import inference_batch_size, peak_memory_bytes
from training.engine.epoch_means import Means
from training.engine.setup import Setup
from training.engine.step import StepFunction, make_step
from training.errors import RunError
from training.events import EpochEvent, Event, StartedEvent, StepEvent
from training.model.cam import max_entropy
from training.run_folder import RunFolder

REPORT_EVERY_S = 1.0


def train(setup: Setup, folder: RunFolder) -> Iterator[Event]:
    """Train from the last complete epoch to the end; writes checkpoints and yields an event for each epoch.

    `RunError`: the loss is not finite
    """
    run = setup.run
    progress, take_step = _resume(setup, folder), make_step(setup)
    first = progress.epoch + 1
    yield _started(setup, first)
    began = time.monotonic()
    for epoch in range(first, run.epochs + 1):
        epoch_began = time.monotonic()
        # A seed for each epoch, so that dropout draws the same after an interruption.
        torch.manual_seed(loading.stream_seed(run.seed, "epoch", epoch))
        lr = setup.optimiser.learning_rate(epoch)
        means = Means()
        yield from train_epoch(setup, take_step, epoch, lr=lr, means=means)
        terms = means.values()
        trained_s = time.monotonic() - epoch_began
        val_terms = validate(setup)
        accuracy = val_terms.pop("accuracy")
        best = accuracy >= progress.best_accuracy  # a tie goes to the later epoch
        progress = TrainingProgress(
            epoch,
            best_epoch=epoch if best else progress.best_epoch,
            best_accuracy=accuracy if best else progress.best_accuracy,
            scaler=setup.scaler.state_dict(),
            alpha=[] if setup.alpha is None else setup.alpha.state(),
        )
        _save(setup, folder, progress)
        now = time.monotonic()
        yield EpochEvent(
            epoch=epoch,
            epochs=run.epochs,
            lr=lr,
            train_accuracy=terms.pop("accuracy"),
            val_accuracy=accuracy,
            best=best,
            cam_entropy=terms.pop("cam_entropy"),
            human_entropy=terms.pop("human_entropy"),
            max_entropy=max_entropy(setup.map_size),
            terms=terms,
            val_terms={**val_terms},
            images_per_s=len(setup.train) / trained_s,
            gpu_memory_bytes=peak_memory_bytes(setup.device),
            seconds=now - epoch_began,
            eta_s=(now - began) / (epoch - first + 1) * (run.epochs - epoch),
        )


def train_epoch(
    setup: Setup, take_step: StepFunction, epoch: int, *, lr: float, means: Means
) -> Iterator[StepEvent]:
    """One step for each batch, every image once; yields an event every second and at the end."""
    run = setup.run
    setup.backbone.train()
    if setup.alpha is not None:
        setup.alpha.begin_epoch(epoch)
    batches = setup.batches(epoch)
    generator = loading.generator(run.seed, "augment", epoch)
    draws = None if run.augmentation.is_none else augment.draw(run.augmentation, len(setup.train), generator)
    reported_at, images = time.monotonic(), 0
    for number, index in enumerate(batches, start=1):
        terms = take_step(setup.training_batch(index, draws), lr)
        means.add(terms, images=len(index))
        images += len(index)
        elapsed_s = time.monotonic() - reported_at
        if elapsed_s >= REPORT_EVERY_S or number == len(batches):
            # Only here: each `item` makes the CPU wait for the GPU.
            values = {name: value.item() for name, value in terms.items() if name != "accuracy"}
            _require_finite(values["loss"], epoch, number)
            yield StepEvent(
                epoch=epoch, step=number, steps=len(batches), terms=values, images_per_s=images / elapsed_s
            )
            reported_at, images = time.monotonic(), 0


@torch.no_grad()
def validate(setup: Setup) -> dict[str, float]:
    """Accuracy and mean cross-entropy on the validation split."""
    setup.backbone.eval()
    means = Means()
    for index in torch.split(
        torch.arange(len(setup.val)), inference_batch_size(setup.run.batch_size, setup.device)
    ):
        output = setup.forward(setup.batch(setup.val, index))
        accuracy = (output.logits.argmax(dim=1) == output.labels).float().mean()
        loss = cross_entropy(output.logits.float(), output.labels)
        means.add({"accuracy": accuracy, "cross_entropy": loss}, images=len(index))
    return {name: value for name, value in means.values().items() if value is not None}


def _save(setup: Setup, folder: RunFolder, progress: TrainingProgress) -> None:
    """The best epoch is evaluated in the end; the last one, with the optimiser, is where a run resumes."""
    if not distributed.is_first():
        return
    # A frozen trunk would be written in every epoch; `load_chosen` adds it once.
    save = partial(
        save_checkpoint, net=setup.backbone.net, progress=progress, trained_only=setup.run.has_frozen_trunk
    )
    if progress.best_epoch == progress.epoch:
        save(folder.best)
    save(folder.last, optimiser=setup.optimiser)


def load_chosen(setup: Setup, folder: RunFolder) -> TrainingProgress:
    """Load the weights of the chosen epoch, and complete their file where the trunk was frozen."""
    is_part = setup.run.has_frozen_trunk
    chosen = load_checkpoint(folder.best, setup.backbone.net, trained_only=is_part)
    if is_part:
        save_checkpoint(folder.best, setup.backbone.net, chosen)
    return chosen


def _resume(setup: Setup, folder: RunFolder) -> TrainingProgress:
    progress = TrainingProgress()
    if folder.last.is_file():
        progress = load_checkpoint(
            folder.last,
            setup.backbone.net,
            optimiser=setup.optimiser,
            trained_only=setup.run.has_frozen_trunk,
        )
        setup.scaler.load_state_dict(progress.scaler)
        if setup.alpha is not None:
            setup.alpha.load_state(progress.alpha)
    # An interrupted epoch is trained again, and would otherwise have its steps in the log twice.
    if distributed.is_first():
        folder.drop_events_after(progress.epoch)
    return progress


def _require_finite(loss: float, epoch: int, step: int) -> None:
    if not -float("inf") < loss < float("inf"):  # false for NaN, too
        raise RunError(f"The loss became {loss} in epoch {epoch}, step {step}; try a lower learning rate.")


def _started(setup: Setup, first: int) -> StartedEvent:
    run, train = setup.run, setup.train
    steps = len(setup.batches(epoch=1))
    side = setup.backbone.network_input.side
    return StartedEvent(
        run=run.name,
        device=setup.device_name,
        parameters=sum(parameter.numel() for parameter in setup.backbone.parameters()),
        images={"train": len(train), "val": len(setup.val)},
        with_map=int(train.present.sum()),
        epochs=run.epochs,
        first_epoch=first,
        steps_per_epoch=steps,
        cautions=setup.cautions,
        plan=f"{run.architecture} at {side} px, {run.scenario_name}, seed {run.seed}, {run.epochs} epochs",
    )
