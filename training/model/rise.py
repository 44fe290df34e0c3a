"""Explain a score by random masks: RISE (Petsiuk, Das, Saenko, BMVC 2018).

The saliency of a pixel is the mean score of the masked image over the masks that show the pixel:
S(x) = Σ_i f(I ⊙ M_i) · M_i(x) / (N · p), with p the share of cells that a mask shows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import interpolate

MASKS_AT_ONCE: Final = 32

Score = Callable[[Tensor], Tensor]
"""Scaled images (n · m, 3, side, side), the m masked copies of each image together -> scores (n · m,)."""


@dataclass(frozen=True, slots=True)
class RiseSettings:
    """How many masks are drawn, and how coarse they are; the defaults are those of the paper for VGG16."""

    masks: int = 4000
    grid: int = 7
    """Cells of a mask along a side."""
    share: float = 0.5
    """Chance that a cell is shown."""
    seed: int = 0


def masks(settings: RiseSettings, side: int) -> Iterator[Tensor]:
    """All masks in batches (m, side, side) float32 in [0, 1]: the same for the same settings and side.

    Each is a grid of ones and zeros, enlarged bilinearly to one cell more than the image and cut out at a
    random place.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    count, grid = settings.masks, settings.grid
    cell = ceil(side / grid)
    shown = (torch.rand(count, grid, grid, generator=generator) < settings.share).float()
    places = torch.randint(0, cell, (count, 2), generator=generator).tolist()
    whole = (grid + 1) * cell
    for first in range(0, count, MASKS_AT_ONCE):
        part = slice(first, first + MASKS_AT_ONCE)
        large = interpolate(shown[part, None], (whole, whole), mode="bilinear", align_corners=False)[:, 0]
        cut = [one[y : y + side, x : x + side] for one, (y, x) in zip(large, places[part], strict=True)]
        yield torch.stack(cut)


@torch.inference_mode()
def rise(score: Score, images: Tensor, settings: RiseSettings) -> Tensor:
    """The saliency (n, side, side) of images under a score; not scaled. A constant score gives even maps.

    images : (n, 3, side, side) on the scale that the network takes, where 0 is what a hidden pixel shows
    """
    total = torch.zeros_like(images[:, 0])
    for batch in masks(settings, images.shape[-1]):
        shown = batch.to(images.device)
        masked = (images[:, None] * shown[:, None]).flatten(0, 1)
        total += torch.einsum("nm,mhw->nhw", score(masked).view(len(images), -1), shown)
    return total / (settings.masks * settings.share)
