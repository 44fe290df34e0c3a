"""The tiny network with a receptive field wider than the frame: most cells of its map see the shortcut."""

from typing import Any, cast

from benchmarks.human_maps.design import WIDE
from training.model.backbones import OWN_ARCHITECTURES, CyborgTiny


class CyborgTinyWide(CyborgTiny):
    """`cyborg_tiny` whose last two convolutions are dilated: a cell sees 83 px, not 43."""

    def __init__(self) -> None:
        super().__init__()
        for layer, step in zip(list(self.features)[-2:], (2, 3), strict=True):
            convolution = cast("Any", layer)[0]
            convolution.dilation, convolution.padding = (step, step), (step, step)


def register() -> None:
    """Let `training` build it by its name, in this process."""
    OWN_ARCHITECTURES.setdefault(WIDE, CyborgTinyWide)
