"""Means over an epoch, kept on the device until they are asked for."""

from typing import Final

import torch
from torch import Tensor

OVER_MAPS: Final = frozenset({"map", "attention", "entropy_gap", "human_entropy"})
"""Terms that only samples with a human map have: each batch counts by how many of those it has."""


class Means:
    """Weighted means of named scalars; a batch in which a term does not exist does not count for it."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, Tensor] = {}

    def add(self, terms: dict[str, Tensor], *, images: int) -> None:
        """Add a batch of that many images. `with_map` is a count already and is summed."""
        with_map = terms.get("with_map", torch.zeros(()))
        for name, value in terms.items():
            size = torch.full_like(value, images, dtype=torch.float64)
            count = with_map.double() if name in OVER_MAPS else size
            if name == "with_map":
                value, count = value.double(), torch.ones_like(size)  # noqa: PLW2901 - summed, not averaged
            share = torch.where(count > 0, value.double() * count, 0.0)
            self._sums[name] = self._sums.get(name, torch.zeros_like(share)) + share
            self._counts[name] = self._counts.get(name, torch.zeros_like(count)) + count

    def values(self) -> dict[str, float | None]:
        """The means; None for a term that no batch had."""
        return {name: self._mean(name) for name in self._sums}

    def _mean(self, name: str) -> float | None:
        total, count = self._sums[name].item(), self._counts[name].item()
        if name == "with_map":
            return total
        return total / count if count else None
