"""An attention map inside a network, as Dang et al. (CVPR 2020) put one into Xception."""

from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from training.config import plain_name
from training.errors import ModelError

ATTENTION: Final = "attention"
"""Name of the attention layer in a network; a child of that name is ours."""

ATTEND_AFTER: Final[dict[str, str]] = {
    # Where Dang et al. put it in Xception; elsewhere it follows the last stage of stride 16.
    "legacy_xception": "block7",
    "cyborg_tiny": "features.3",
}


class Attention(nn.Module):
    """Weighs every place of a tensor by a number in [0, 1] that it computes from the tensor.

    As in Dang et al.: a convolution to one channel, a sigmoid, a product. `seen` is the map of the last pass.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(channels, 1, 3, padding=1)
        self.seen: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape; keeps (N, h, w)."""
        attention: Tensor = self.look(features).sigmoid()
        self.seen = attention[:, 0]
        return features * attention


def attend(net: nn.Module, architecture: str) -> None:
    """Let an attention map weigh what leaves one stage of the network.

    The layer is a child of the network, so that checkpoints hold it, and is called by a hook on the stage, so
    that the stage's weights keep their names.
    """
    name = ATTEND_AFTER.get(plain_name(architecture)) or _stage_of_stride(net, 16)
    if name is None:
        raise ModelError(
            f"{architecture} has no stage of stride 16 after which an attention map could stand."
        )
    stage = net.get_submodule(name)
    layer = Attention(_channels(net, stage))
    net.add_module(ATTENTION, layer)
    stage.register_forward_hook(lambda _stage, _inputs, output: layer(output))


def _stage_of_stride(net: nn.Module, stride: int) -> str | None:
    stages = getattr(net, "feature_info", ())
    names = [stage["module"] for stage in stages if stage["reduction"] == stride]
    return names[-1] if names else None


@torch.no_grad()
def _channels(net: nn.Module, stage: nn.Module) -> int:
    """How many channels leave a stage, found by letting an image through."""
    found: list[int] = []
    hook = stage.register_forward_hook(lambda _stage, _inputs, output: found.append(output.shape[1]))
    training, side = net.training, getattr(net, "pretrained_cfg", {}).get("input_size", (3, 64, 64))[-1]
    try:
        cast("Any", net.eval()).forward_features(torch.zeros(1, 3, side, side))
    finally:
        hook.remove()
        net.train(training)
    return found[0]
