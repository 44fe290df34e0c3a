"""Compute class activation maps (CAM) inside the autograd graph, scale them, and measure their entropy.

Every function takes a batch of maps, (N, h, w). Everything is differentiable, and finite for finite input,
flat maps included.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from training.config import CamClass

FLAT = 1e-6
"""A map whose largest and smallest value differ by no more than this is flat."""

_TINY = 1e-10
"""Keeps the logarithm finite where a scaled map is 0, which it is at one pixel at least."""


def class_activation_map(features: Tensor, weight: Tensor, target: Tensor) -> Tensor:
    """CAM of each sample for its own target class (Zhou et al., CVPR 2016): no bias, no ReLU, not scaled.

    If `features` is the tensor that the classifier pools, the mean of the map is the logit without the bias.

    Parameters
    ----------
    features : (N, C, h, w) feature maps
    weight : (K, C) weight of the linear classifier
    target : (N,) int64 in 0 … K-1, the class to explain

    Returns
    -------
    cam : (N, h, w), any range
    """
    return torch.einsum("nchw,nc->nhw", features, weight[target])


def explanation(
    cam_class: CamClass, features: Tensor, weight: Tensor, logits: Tensor, labels: Tensor
) -> Tensor:
    """The map of each sample that `cam_class` names, (N, h, w), any range; of `both` that of the true class.

    Softmax sees only differences of logits, so only the `difference`, w_true - w_other, is left as it is by a
    vector that is added to every row of `weight`.

    Parameters
    ----------
    features : (N, C, h, w) feature maps
    weight : (K, C) weight of the linear classifier
    logits : (N, K), used for `predicted`
    labels : (N,) int64 in 0 … K-1, used for the others
    """
    own = class_activation_map(features, weight, logits.argmax(dim=1) if cam_class == "predicted" else labels)
    return own - other_explanation(features, weight, labels) if cam_class == "difference" else own


def other_explanation(features: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """The CAM (N, h, w) of the class that a sample is not; of more than two, the mean of the others."""
    others = (weight.sum(dim=0) - weight[labels]) / (len(weight) - 1)
    return torch.einsum("nchw,nc->nhw", features, others)


def is_flat(maps: Tensor) -> Tensor:
    """(N, h, w) -> (N,) bool: all values of the map are equal within `FLAT`."""
    return maps.amax(dim=(-2, -1)) - maps.amin(dim=(-2, -1)) <= FLAT


def min_max(maps: Tensor) -> Tensor:
    """Scale each map (N, h, w) to [0, 1] by its own minimum and maximum; a flat map becomes 0 everywhere."""
    low = maps.amin(dim=(-2, -1), keepdim=True)
    span = maps.amax(dim=(-2, -1), keepdim=True) - low
    # Divided by 1 where it is flat: a division by almost 0 would give gradients without bound.
    return (maps - low) / torch.where(span > FLAT, span, 1.0)


def scale_human(maps: Tensor) -> Tensor:
    """Scale each human map (N, h, w) to [0, 1]; a flat map keeps its value, clamped to [0, 1].

    So 1 everywhere still means "everywhere", and 0 everywhere means that there is no map.
    """
    return torch.where(is_flat(maps)[:, None, None], maps.clamp(0, 1), min_max(maps))


def fit_human(human: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize human maps (N, H, W) to the (h, w) of the CAM, then scale them to [0, 1] again.

    NaN in a map stays within that map.
    """
    # Antialiased: without it a thin brush stroke would fall between two sampling points.
    if human.shape[-2:] != size:
        human = interpolate(human[:, None], size, mode="bilinear", antialias=True, align_corners=False)[:, 0]
    return scale_human(human)


def distribution(maps: Tensor, *, floor: float = _TINY) -> Tensor:
    """Scaled maps (N, h, w) as probabilities over pixels, (N, h·w), each row with sum 1.

    A flat map becomes uniform, and gets no gradient.

    floor : > 0, added to every pixel before the division, so that no probability is 0
    """
    pixels = maps.flatten(1)
    even = is_flat(maps)[:, None]
    mass = torch.where(even, torch.ones_like(pixels), pixels + floor)
    return mass / mass.sum(dim=1, keepdim=True)


def entropy(maps: Tensor) -> Tensor:
    """Shannon entropy of each scaled map (N, h, w) in nats, (N,): 0 for one pixel, ln(h·w) for a flat map."""
    p = distribution(maps)
    return -(p * p.log()).sum(dim=1)


def max_entropy(size: tuple[int, int]) -> float:
    """Entropy of a flat map of this (h, w) in nats: 3.89 for 7×7, 4.16 for 8×8, 4.61 for 10×10."""
    return math.log(size[0] * size[1])
