"""The terms of the loss functions: pure functions, one per formula of docs/losses.md.

Distances take two maps of one size, (N, h, w) in [0, 1], and return (N,): 0 for equal maps, but for
`map_energy`. Entropy terms take entropies (N,) in nats and return a scalar. All are differentiable, and
finite for finite input.
"""

from typing import Final, assert_never

import torch
from torch import Tensor

from training.config import MapDistance
from training.model.cam import distribution
from training.model.tolerance_band import BandShares

KL_FLOOR: Final = 1e-4
"""Added to every pixel before a logarithm is taken whose slope there is 1 / pixel: a scaled map is 0 at one
pixel at least, and 1 / 1e-10 leaves nothing of the other pixels' gradients in float32."""


def map_distance(distance: MapDistance, model: Tensor, human: Tensor) -> Tensor:
    """The distance of each model map from its human map, by its name in a recipe; docs/losses.md."""
    match distance:
        case "mse":
            return map_mse(model, human)
        case "l1":
            return map_l1(model, human)
        case "kl":
            return map_kl(model, human)
        case "cc":
            return map_cc(model, human)
        case "energy":
            return map_energy(model, human)
        case _:
            assert_never(distance)


def map_mse(model: Tensor, human: Tensor) -> Tensor:
    """Mean squared difference over the pixels, in [0, 1]: CYBORG's code; its paper prints the sum."""
    return (model - human).square().mean(dim=(-2, -1))


def map_l1(model: Tensor, human: Tensor) -> Tensor:
    """Mean absolute difference over the pixels, in [0, 1]."""
    return (model - human).abs().mean(dim=(-2, -1))


def map_kl(model: Tensor, human: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(human ‖ model) in nats, ≥ 0, with `KL_FLOOR` added to every pixel.

    A constant map counts as uniform.
    """
    p, q = distribution(human, floor=KL_FLOOR), distribution(model, floor=KL_FLOOR)
    return (p * (p.log() - q.log())).sum(dim=1)


def map_cc(model: Tensor, human: Tensor) -> Tensor:
    """One minus Pearson's correlation over the pixels: 0 equal, 1 unrelated, 2 opposite; constant maps 1."""
    a, b = _centred(model), _centred(human)
    power = a.square().sum(dim=1) * b.square().sum(dim=1)
    defined = power > 0
    # The denominator is replaced before the root: the gradient of sqrt at 0 is infinite, and inf · 0 is NaN.
    scale = torch.where(defined, power, 1.0).sqrt()
    return 1 - torch.where(defined, (a * b).sum(dim=1) / scale, 0.0)


def map_energy(model: Tensor, human: Tensor) -> Tensor:
    """One minus the share of the model map that lies in the human map, in [0, 1]; a flat model map is even.

    After the energy-based pointing game that Rao et al. (ICCV 2023) guide by, with the human map in place of
    their box, and the scaled map in place of the positive part of theirs.
    """
    return 1 - (distribution(model) * human.flatten(1)).sum(dim=1)


def map_tolerance(model: Tensor, shares: BandShares, *, inside: float, outside: float) -> Tensor:
    """Mean over the pixels of painted · max(0, inside - model)² + beyond · max(0, model - outside)², (N,).

    Ours, after the idea of RES (Gao et al., KDD 2022) that the edge of an annotation is not exact. With
    thresholds of 1 and 0, no band and a binary human map it is `map_mse`.
    """
    lack, excess = (inside - model).clamp_min(0), (model - outside).clamp_min(0)
    return (shares.painted * lack.square() + shares.beyond * excess.square()).mean(dim=(-2, -1))


def gradient_outside(gradient: Tensor, human: Tensor) -> Tensor:
    """Squared gradient to the image, summed over channels and pixels, each pixel weighed by (1 - human)².

    Ross, Hughes and Doshi-Velez (IJCAI 2017): their A is 1 where a pixel must not matter; here 1 - human,
    so that maps between 0 and 1 have one. (N,), ≥ 0: 0 for a human map that is 1 everywhere.

    gradient : (N, 3, H, W) of `input_gradient`
    human : (N, H, W) in [0, 1]
    """
    return ((1 - human)[:, None] * gradient).square().sum(dim=(1, 2, 3))


def mean_present(values: Tensor, present: Tensor) -> Tensor:
    """Mean of values (N,) over the samples that have a map, a scalar; 0 when none has.

    present : (N,) 1.0 for a sample with a map, else 0.0; values of the others must be finite
    """
    # A product, not a selection by mask: that would make the CPU wait for the GPU to count.
    return (values * present).sum() / present.sum().clamp_min(1)


def entropy_gap(model: Tensor, human: Tensor, present: Tensor) -> Tensor:
    """HSEB (DROID, 2023): squared difference of the mean entropies, over the samples that have a human map.

    model, human : (N,) entropies in nats; present as in `mean_present`. 0 when no sample has a map.
    """
    return (mean_present(model, present) - mean_present(human, present)).square()


def log_entropy(model: Tensor, *, plus_one: bool) -> Tensor:
    """DROID (2023): mean over the batch of ln(H + 1), as its code has it, or of ln(H), as the paper
    prints it.

    model : (N,) entropies in nats
    """
    # ln(H) falls without bound as a map narrows to one pixel; clamped, its gradient there is 0.
    return (model.log1p() if plus_one else model.clamp_min(1e-12).log()).mean()


def _centred(maps: Tensor) -> Tensor:
    pixels = maps.flatten(1)
    return pixels - pixels.mean(dim=1, keepdim=True)
