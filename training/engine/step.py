"""One optimiser step: forward, loss, backward, update; on a GPU captured as a CUDA graph and replayed."""

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from training.data.loading import SampleTensors
from training.engine.setup import Setup
from training.model.objective import compute_loss

Terms = dict[str, Tensor]
StepFunction = Callable[[SampleTensors, float], Terms]
"""A batch on the device and the learning rate -> the terms of the loss, detached scalars."""

WARMUP_STEPS: Final = 3
"""Eager steps before the capture: the first ones allocate buffers, which a graph must find in place."""


def make_step(setup: Setup) -> StepFunction:
    """The step of this run: eager, or as a CUDA graph where `computation.cuda_graphs` says so."""
    eager = EagerStep(setup)
    if not setup.computation.cuda_graphs:
        return eager
    return CudaGraphStep(eager, setup.device, setup.run.batch_size)


class EagerStep:
    """Forward, loss, backward and update, launched operation by operation."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup

    def __call__(self, batch: SampleTensors, lr: float) -> Terms:
        setup = self._setup
        output = setup.forward(batch)
        result = compute_loss(
            setup.run.objective,
            logits=output.logits,
            labels=output.labels,
            features=output.features,
            weight=setup.backbone.weight,
            human=output.human,
            present=output.present,
            attention=output.attention,
            input_gradient=output.input_gradient,
            alpha=setup.alpha,
            sample_weights=output.sample_weights,
            model_map=setup.run.map,
        )
        setup.optimiser.zero_grad()
        torch.autograd.backward(setup.scaler.scale(result.loss))
        setup.scaler.step(setup.optimiser, lr)  # type: ignore[arg-type]  # it uses param_groups and step, no more
        setup.scaler.update()
        accuracy = (output.logits.argmax(dim=1) == output.labels).float().mean()
        return {**result.terms, "accuracy": accuracy}


class CudaGraphStep:
    """Replays a whole step as a CUDA graph, so that the GPU need not wait for Python to launch each kernel.

    The first steps are eager, then one is captured, and again whenever the learning rate changes. A last
    batch of another size is eager. Captured and eager steps do the same arithmetic.
    """

    def __init__(self, eager: StepFunction, device: torch.device, batch_size: int) -> None:
        self._eager = eager
        # Capture must not happen on the default stream; eager steps share this one, so that order is kept.
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._batch_size = batch_size
        self._eager_steps = 0
        self._captured: _CapturedStep | None = None
        self._lr: float | None = None

    def __call__(self, batch: SampleTensors, lr: float) -> Terms:
        # Streams run side by side: this one waits for the batch, and the caller's for the result.
        before = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(before)
        with torch.cuda.stream(self._stream):
            terms = self._step(batch, lr)
        before.wait_stream(self._stream)
        return terms

    def _step(self, batch: SampleTensors, lr: float) -> Terms:
        if len(batch) != self._batch_size:
            return self._eager(batch, lr)
        if self._eager_steps < WARMUP_STEPS:
            self._eager_steps += 1
            return self._eager(batch, lr)
        if self._captured is None or lr != self._lr:  # a graph holds the rate as a constant
            self._captured, self._lr = _CapturedStep(self._eager, batch, lr, self._stream), lr
        return self._captured.replay(batch)


class _CapturedStep:
    """A CUDA graph of one step on tensors at fixed addresses; capturing it does not change any weight."""

    def __init__(
        self, step: StepFunction, batch: SampleTensors, lr: float, stream: torch.cuda.Stream
    ) -> None:
        # A graph replays on the addresses of its capture, so each batch is copied into these tensors.
        self._inputs = batch.clone()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, stream=stream):
            self._terms = step(self._inputs, lr)

    def replay(self, batch: SampleTensors) -> Terms:
        self._inputs.copy_from(batch)
        self._graph.replay()
        return self._terms
