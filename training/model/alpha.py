"""The share of the cross-entropy in the loss, where it changes in training: docs/losses.md."""

import math
from typing import Final, assert_never

import torch
from torch import Tensor

from training.config import AlphaSettings, AnyObjective, Guided

DECAY: Final = 0.99
"""Of the running means of `balance`, per step: they look back about 100 steps."""


class Alpha:
    """The alpha of every step of a run: the share of the cross-entropy, in [0, 1].

    All state is on the device and changed in place, so that a recorded step may compute it.
    """

    def __init__(self, settings: AlphaSettings, *, epochs: int, device: torch.device) -> None:
        self._settings = settings
        self._epochs = epochs
        self._scheduled = torch.zeros((), device=device)
        # Rows: sum and weight of a mean that forgets. Columns: cross-entropy, the term that compares.
        self._means = torch.zeros(2, 2, dtype=torch.float64, device=device)

    @classmethod
    def of(cls, objective: AnyObjective, *, epochs: int, device: torch.device) -> "Alpha | None":
        """The alpha of a run's objective; None where fixed weights take its place."""
        settings = objective.alpha if isinstance(objective, Guided) else None
        return None if settings is None else cls(settings, epochs=epochs, device=device)

    def begin_epoch(self, epoch: int) -> None:
        """Set the alpha of a schedule for an epoch; the first is 1."""
        self._scheduled.fill_(scheduled(self._settings, epoch, self._epochs))

    def __call__(self, cross_entropy: Tensor, term: Tensor, with_map: Tensor) -> Tensor:
        """The alpha of a step, a scalar.

        cross_entropy, term : scalars, the two parts of the loss before weighting
        with_map : scalar, the number of samples that have a map; without any, `term` is 0
        """
        match self._settings.kind:
            case "linear" | "cosine":
                return self._scheduled
            case "viser":
                return cross_entropy / (cross_entropy + term + 1e-8)
            case "balance":
                return self._balanced(cross_entropy, term, with_map)
            case _:
                assert_never(self._settings.kind)

    @torch.no_grad()
    def _balanced(self, cross_entropy: Tensor, term: Tensor, with_map: Tensor) -> Tensor:
        values = torch.stack([cross_entropy, term]).to(self._means)
        # A batch without a map says nothing of the term.
        is_seen = torch.stack([torch.ones_like(with_map), with_map]) > 0
        seen = torch.stack([values, torch.ones_like(values)])
        self._means.copy_(torch.where(is_seen, DECAY * self._means + (1 - DECAY) * seen, self._means))
        sums, weights = self._means
        classification, compared = sums / weights.clamp_min(1e-12)
        total = classification + compared
        is_defined = (weights.min() > 0) & (total > 0)
        return torch.where(is_defined, compared / total.clamp_min(1e-12), 0.5).to(cross_entropy.dtype)

    def state(self) -> list[float]:
        """What a checkpoint must keep, exactly."""
        return [float(value) for value in self._means.flatten().tolist()]

    def load_state(self, state: list[float]) -> None:
        """Continue from the state of a checkpoint; an empty one is the beginning."""
        if state:
            self._means.copy_(torch.tensor(state, dtype=torch.float64).view(2, 2))


def scheduled(settings: AlphaSettings, epoch: int, epochs: int) -> float:
    """Alpha of an epoch, 1 … epochs, by `linear` or `cosine`; 0 for what has no schedule."""
    if settings.first is None or settings.last is None:
        return 0.0
    done = (epoch - 1) / max(1, epochs - 1)
    passed = done if settings.kind == "linear" else (1 - math.cos(math.pi * done)) / 2
    return settings.first + passed * (settings.last - settings.first)
