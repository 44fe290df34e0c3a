"""One step of training, from a batch of bytes to moved weights; on a GPU recorded once and replayed."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from training.data.loading import Cached
from training.engine.setup import Setup
from training.model.objective import compute_loss

Terms = dict[str, Tensor]
TakeStep = Callable[[Cached, float], Terms]
"""A batch on the device and the learning rate -> the terms of the loss, detached scalars."""

PLAIN_STEPS: Final = 3
"""Steps that are done plainly before one is recorded: the first make buffers."""


def step_of(setup: Setup) -> TakeStep:
    """How this run takes a step."""
    plain = PlainStep(setup)
    return RecordedStep(plain, setup.device, setup.run.batch_size) if setup.computation.cuda_graphs else plain


class PlainStep:
    """Forward, loss, backward, descent."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def __call__(self, taken: Cached, lr: float) -> Terms:
        setup = self._setup
        batch = setup.let_through(taken)
        step = compute_loss(
            setup.run.objective,
            logits=batch.logits,
            labels=batch.labels,
            features=batch.features,
            weight=setup.backbone.weight,
            human=batch.human,
            present=batch.present,
            attention=batch.attention,
        )
        setup.optimiser.forget_gradients()
        torch.autograd.backward(setup.scaler.scale(step.loss))
        setup.scaler.step(setup.optimiser, lr)  # type: ignore[arg-type]  # it wants the parameters and a step, no more
        setup.scaler.update()
        right = (batch.logits.argmax(dim=1) == batch.labels).float().mean()
        return {**step.terms, "accuracy": right}


class RecordedStep:
    """Replays a whole step as a CUDA graph: 20 images are done before Python could launch their kernels.

    A few steps are done plainly, then one is recorded, and again when the rate changes. An odd last batch is
    done plainly. All of them, plain ones too, run on a stream of their own, as recording wants it; recorded
    and plain steps do the same arithmetic.
    """

    def __init__(self, plain: TakeStep, device: torch.device, batch_size: int) -> None:
        self._plain = plain
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._batch_size = batch_size
        self._plain_steps = 0
        self._recording: _Recording | None = None
        self._lr: float | None = None

    def __call__(self, taken: Cached, lr: float) -> Terms:
        before = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(before)
        with torch.cuda.stream(self._stream):
            terms = self._step(taken, lr)
        before.wait_stream(self._stream)
        return terms

    def _step(self, taken: Cached, lr: float) -> Terms:
        if len(taken) != self._batch_size:
            return self._plain(taken, lr)
        if self._plain_steps < PLAIN_STEPS:
            self._plain_steps += 1
            return self._plain(taken, lr)
        if self._recording is None or lr != self._lr:  # the rate is part of a recording
            self._recording, self._lr = _Recording(self._plain, taken, lr, self._stream), lr
        return self._recording.replay(taken)


class _Recording:
    """A step on tensors that stay where they are; recording it does not take it."""

    def __init__(self, step: TakeStep, taken: Cached, lr: float, stream: torch.cuda.Stream) -> None:
        self._given = taken.copy()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream):
            self._terms = step(self._given, lr)

    def replay(self, taken: Cached) -> Terms:
        self._given.fill(taken)
        self._graph.replay()
        return self._terms
