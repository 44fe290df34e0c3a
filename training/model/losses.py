"""The terms of the objectives: pure functions, one per formula of docs/losses.md.

Distances take scaled maps, (N, h, w) × (N, h, w) -> (N,); entropy terms take entropies, (N,) -> ().
"""

from typing import Final, assert_never

import torch
from torch import Tensor

from training.config import MapDistance
from training.model.cam import distribution

KL_FLOOR: Final = 1e-4
"""Added to every pixel before a logarithm is taken whose slope there is 1 / pixel: a scaled map is 0 at one
pixel at least, and 1 / 1e-10 leaves nothing of the other pixels' gradients in float32."""


def map_distance(distance: MapDistance, model: Tensor, human: Tensor) -> Tensor:
    """The distance of each model map from its human map, both scaled to [0, 1]. (N, h, w) -> (N,)"""
    match distance:
        case "mse":
            return map_mse(model, human)
        case "l1":
            return map_l1(model, human)
        case "kl":
            return map_kl(model, human)
        case "cc":
            return map_cc(model, human)
        case _:
            assert_never(distance)


def map_mse(model: Tensor, human: Tensor) -> Tensor:
    """Mean squared difference over the pixels."""
    return (model - human).square().mean(dim=(-2, -1))


def map_l1(model: Tensor, human: Tensor) -> Tensor:
    """Mean absolute difference over the pixels."""
    return (model - human).abs().mean(dim=(-2, -1))


def map_kl(model: Tensor, human: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(human ‖ model) in nats, `KL_FLOOR` added to the maps."""
    p, q = distribution(human, floor=KL_FLOOR), distribution(model, floor=KL_FLOOR)
    return (p * (p.log() - q.log())).sum(dim=1)


def map_cc(model: Tensor, human: Tensor) -> Tensor:
    """One minus Pearson's correlation over the pixels: 0 alike, 1 unrelated or flat, 2 opposite."""
    a, b = _centred(model), _centred(human)
    power = a.square().sum(dim=1) * b.square().sum(dim=1)
    defined = power > 0
    scale = torch.where(defined, power, 1.0).sqrt()
    return 1 - torch.where(defined, (a * b).sum(dim=1) / scale, 0.0)


def mean_present(values: Tensor, present: Tensor) -> Tensor:
    """Mean of (N,) values over the samples that have a map; 0 when none has.

    The others are multiplied by 0, not selected away, so that a GPU need not be asked how many there are;
    their values must be finite.
    """
    return (values * present).sum() / present.sum().clamp_min(1)


def entropy_gap(model: Tensor, human: Tensor, present: Tensor) -> Tensor:
    """HSEB: squared difference of the mean entropies, over the samples that have a human map."""
    return (mean_present(model, present) - mean_present(human, present)).square()


def log_entropy(model: Tensor, *, plus_one: bool) -> Tensor:
    """DROID: mean of ln(H + 1), or of ln(H), which falls without bound as a map narrows to one pixel."""
    return (model.log1p() if plus_one else model.clamp_min(1e-12).log()).mean()


def _centred(maps: Tensor) -> Tensor:
    pixels = maps.flatten(1)
    return pixels - pixels.mean(dim=1, keepdim=True)
