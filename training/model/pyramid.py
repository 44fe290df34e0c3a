"""Compare two maps at several sizes, by where each of them is above its own mean."""

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from training.model.cam import is_flat

BINOMIAL: Final = (1.0, 4.0, 6.0, 4.0, 1.0)
"""Weights of the filter along each axis before every second pixel is left out: almost a Gaussian."""

NO_VARIANCE: Final = 1e-24
"""A map with no more variance than this is flat; gradients to single pixels are small numbers."""


def pyramid_distance(model: Tensor, human: Tensor, *, levels: int) -> Tensor:
    """Mean squared difference of two maps (N, H, W), standardised and cut at 0, over pixels and sizes; (N,).

    After the harmonizer of Fel et al. (NeurIPS 2022): both maps become Gaussian pyramids; at each size they
    are moved to mean 0 and deviation 1, and what is negative is set to 0. So only where the values are large
    matters, not how large they are. In [0, ∞): 0 for maps that are equal up to offset and positive scale, and
    for a flat human map, which says nowhere in particular.

    model : any range; a flat one counts as 0 everywhere, and gets no gradient
    levels : sizes; the first is H × W, each further one has half as many rows and columns
    """
    differences = [
        (_above_mean(ours) - _above_mean(theirs)).square().mean(dim=(-2, -1))
        for ours, theirs in zip(_sizes(model, levels), _sizes(human, levels), strict=True)
    ]
    return torch.where(is_flat(human), 0.0, torch.stack(differences).mean(dim=0))


def _sizes(maps: Tensor, levels: int) -> Iterator[Tensor]:
    """The maps (N, H, W), and each time filtered and half as large; beyond the edge is 0."""
    weights = torch.tensor(BINOMIAL, dtype=maps.dtype, device=maps.device) / sum(BINOMIAL)
    kernel = torch.outer(weights, weights)[None, None]
    yield maps
    for _ in range(levels - 1):
        maps = conv2d(maps[:, None], kernel, stride=2, padding=2)[:, 0]
        yield maps


def _above_mean(maps: Tensor) -> Tensor:
    """How many deviations each pixel of a map (N, H, W) lies above its mean; 0 below it and in a flat map."""
    centred = maps - maps.mean(dim=(-2, -1), keepdim=True)
    variance = centred.square().mean(dim=(-2, -1), keepdim=True)
    has_form = variance > NO_VARIANCE
    # Replaced before the root, whose slope at 0 is infinite.
    deviation = torch.where(has_form, variance, 1.0).sqrt()
    return torch.where(has_form, centred / deviation, 0.0).clamp_min(0)
