"""Networks that draw the map of an image: a small U-Net, and a decoder behind the trunk of a detector."""

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from training.model.backbones import Backbone

WIDTHS: Final = (16, 32, 64, 128)
"""Channels of the U-Net at each size, half that of the image first."""
DECODER_WIDTHS: Final = (64, 32, 16, 16, 16, 16)
"""Channels of the decoder, from the size of the trunk's last features, each twice as large as before."""


class UNet(nn.Module):
    """A small U-Net (Ronneberger, Fischer, Brox, MICCAI 2015): half a million weights, any size of image.

    It sees and draws at half the size, where the smooth maps of people lose nothing and all is four times
    as fast.

    images : (N, 3, side, side) scaled -> maps (N, side, side) in (0, 1)
    """

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(i, o) for i, o in pairwise((3, *WIDTHS)))
        self.up = nn.ModuleList(_block(deep + flat, flat) for flat, deep in reversed(list(pairwise(WIDTHS))))
        self.last = nn.Conv2d(WIDTHS[0], 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        levels, x = list[Tensor](), avg_pool2d(images, 2)
        for number, block in enumerate(self.down):
            x = block(x if number == 0 else max_pool2d(x, 2))
            levels.append(x)
        for block, beside in zip(self.up, levels[-2::-1], strict=True):
            larger = interpolate(x, beside.shape[-2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([larger, beside], dim=1))
        large = interpolate(self.last(x), images.shape[-2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(large)[:, 0]


class TrunkWithDecoder(nn.Module):
    """The trunk of a detector, and a decoder on the features that its classifier pools.

    images : (N, 3, side, side) scaled -> maps (N, side, side) in (0, 1)
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.side = backbone.network_input.side
        widths = (backbone.weight.shape[1], *DECODER_WIDTHS)
        self.decoder = nn.ModuleList(_layer(i, o) for i, o in pairwise(widths))
        self.last = nn.Conv2d(DECODER_WIDTHS[-1], 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        x, _ = self.backbone(images)
        for layer in self.decoder:
            x = layer(x)
            if x.shape[-1] < self.side:
                size = [min(2 * length, self.side) for length in x.shape[-2:]]
                x = interpolate(x, size, mode="bilinear", align_corners=False)
        drawn = torch.sigmoid(interpolate(self.last(x), (self.side, self.side), mode="bilinear"))
        return drawn[:, 0]


def _block(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(_layer(inputs, outputs), _layer(outputs, outputs))


def _layer(inputs: int, outputs: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
