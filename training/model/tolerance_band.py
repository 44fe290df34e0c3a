"""Where people painted, and what lies beyond a band around it, on the grid of a model's map."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, conv2d

MARKED = 0.5
"""A pixel is painted where the human map is at least this share of its largest value."""


@dataclass(frozen=True, slots=True)
class BandShares:
    """Shares of each pixel of the model's map; what is missing to 1 lies in the band."""

    painted: Tensor  # (N, h, w) in [0, 1]
    beyond: Tensor  # (N, h, w) in [0, 1]


def band_shares(human: Tensor, size: tuple[int, int], *, radius: int) -> BandShares:
    """Threshold human maps (N, H, W), dilate what is painted by a disc, and average both down to `size`.

    A flat map is painted everywhere.

    size : (h, w) of the model's map
    radius : of the disc, in pixels of the human maps; 0 leaves no band
    """
    painted = (human >= MARKED * human.amax(dim=(-2, -1), keepdim=True)).to(human.dtype)
    covered = conv2d(painted[:, None], _disc(radius, painted), padding=radius)[:, 0] > 0.5
    beyond = 1 - covered.to(human.dtype)
    return BandShares(*(adaptive_avg_pool2d(maps[:, None], size)[:, 0] for maps in (painted, beyond)))


def _disc(radius: int, like: Tensor) -> Tensor:
    """(1, 1, 2 r + 1, 2 r + 1): 1 within `radius` of the middle, else 0."""
    steps = torch.arange(-radius, radius + 1, device=like.device)
    return (steps[:, None] ** 2 + steps**2 <= radius**2).to(like.dtype)[None, None]
