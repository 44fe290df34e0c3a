"""Class activation maps that stay inside the autograd graph, and what is measured on maps.

A map here is a batch of maps, (N, h, w). Everything is differentiable and finite, flat maps included.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

FLAT = 1e-6
"""A map whose values span no more than this is flat."""

_TINY = 1e-10
"""Keeps the logarithm finite where a scaled map is 0, which it is at one pixel at least."""


def class_activation_map(features: Tensor, weight: Tensor, target: Tensor) -> Tensor:
    """CAM of each sample for its own target class (Zhou et al., 2016): no bias, no ReLU, not scaled.

    Its mean over the pixels is the logit of the target class without the bias.

    Parameters
    ----------
    features : (N, C, h, w) the tensor that the classifier pools
    weight : (K, C) weight of the linear classifier
    target : (N,) int64 class to explain

    Returns
    -------
    cam : (N, h, w)
    """
    return torch.einsum("nchw,nc->nhw", features, weight[target])


def is_flat(maps: Tensor) -> Tensor:
    """(N, h, w) -> (N,) bool: the map has no structure."""
    return maps.amax(dim=(-2, -1)) - maps.amin(dim=(-2, -1)) <= FLAT


def min_max(maps: Tensor) -> Tensor:
    """Scale each map to [0, 1]; a flat one becomes 0 everywhere, with a gradient of ordinary size."""
    low = maps.amin(dim=(-2, -1), keepdim=True)
    span = maps.amax(dim=(-2, -1), keepdim=True) - low
    return (maps - low) / torch.where(span > FLAT, span, 1.0)


def scale_human(maps: Tensor) -> Tensor:
    """Min-max each human map; a flat one keeps its value: 1 says "everywhere", 0 says nothing."""
    return torch.where(is_flat(maps)[:, None, None], maps.clamp(0, 1), min_max(maps))


def fit_human(human: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring human maps (N, H, W) to the size of the CAM, then stretch them to [0, 1] again.

    The resize averages over the area it covers (antialiased bilinear): a thin brush stroke must not fall
    between two sampling points. NaN in a map stays within that map.
    """
    if human.shape[-2:] != size:
        human = interpolate(human[:, None], size, mode="bilinear", antialias=True, align_corners=False)[:, 0]
    return scale_human(human)


def distribution(maps: Tensor, *, floor: float = _TINY) -> Tensor:
    """Read scaled maps (N, h, w) as probabilities over pixels; a flat map is even and has no gradient.

    floor : added to every pixel
    """
    pixels = maps.flatten(1)
    even = is_flat(maps)[:, None]
    mass = torch.where(even, torch.ones_like(pixels), pixels + floor)
    return mass / mass.sum(dim=1, keepdim=True)


def entropy(maps: Tensor) -> Tensor:
    """Shannon entropy of each scaled map in nats: 0 for one pixel, ln(h·w) for an even map. -> (N,)"""
    p = distribution(maps)
    return -(p * p.log()).sum(dim=1)


def max_entropy(size: tuple[int, int]) -> float:
    """Entropy of an even map in nats: 3.89 for 7×7, 4.16 for 8×8, 4.61 for 10×10."""
    return math.log(size[0] * size[1])
