"""Means of the loss terms over an epoch, on the device until the end."""

from typing import Final

import torch
from torch import Tensor

OVER_MAPS: Final = frozenset({"map", "attention", "gradient", "entropy_gap", "human_entropy"})
"""Terms of samples with a human map: a batch is weighted by how many of those it has."""


class Means:
    """Weighted means of named scalars; a batch without any sample for a term has no weight in it."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] = ()
        self._over_maps = self._summed = self._sums = self._counts = torch.zeros(())

    def add(self, terms: dict[str, Tensor], *, images: int) -> None:
        """Add a batch. The term `with_map` is a count, and is summed.

        terms : scalars on one device, with the same names each time; NaN only where the weight is 0
        images : weight of the terms that every sample has
        """
        values = torch.stack(list(terms.values())).double()
        if not self._names:
            self._begin(tuple(terms), values)
        with_map = terms.get("with_map", values.new_zeros(())).double()
        # All on the device: reading one number would make the CPU wait for the GPU in every step.
        counts = torch.where(self._over_maps, with_map, float(images)).where(~self._summed, 1.0)
        self._sums += torch.where(counts > 0, values * counts, 0.0)
        self._counts += counts

    def _begin(self, names: tuple[str, ...], values: Tensor) -> None:
        self._names = names
        self._over_maps = torch.tensor([name in OVER_MAPS for name in names], device=values.device)
        self._summed = torch.tensor([name == "with_map" for name in names], device=values.device)
        self._sums, self._counts = torch.zeros_like(values), torch.zeros_like(values)

    def values(self) -> dict[str, float | None]:
        """The means by name; None for a term whose weights are all 0."""
        sums, counts = self._sums.tolist(), self._counts.tolist()
        return {
            name: total if name == "with_map" else total / count if count else None
            for name, total, count in zip(self._names, sums, counts, strict=True)
        }
