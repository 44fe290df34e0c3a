"""Insert an attention map into a network, as Dang et al. (CVPR 2020) do in Xception."""

from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from training.config import plain_name
from training.errors import ModelError

ATTENTION: Final = "attention"
"""Name of the attention layer among the network's modules; checkpoints have it in their tensor names."""

ATTEND_AFTER: Final[dict[str, str]] = {
    # Xception as in Dang et al.; other networks have it after their last stage of stride 16.
    "legacy_xception": "block7",
    "cyborg_tiny": "features.3",
}


class AttentionLayer(nn.Module):
    """Multiplies every position of a feature map by an attention in [0, 1] that is computed from it.

    As in Dang et al.: a convolution to one channel, a sigmoid, a product. `last_map` (N, h, w) is the
    attention of the last forward pass.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(channels, 1, 3, padding=1)  # the name is in checkpoints
        self.last_map: Tensor | None = None

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) times the attention, of the same shape."""
        attention: Tensor = self.look(features).sigmoid()
        self.last_map = attention[:, 0]
        return features * attention

    def attend(self, _stage: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        """As a hook of the stage before it; a method, so that a copy of the network calls its own layer."""
        return cast("Tensor", self(output))


def add_attention(net: nn.Module, architecture: str) -> None:
    """Put an attention layer behind one stage of the network, in place.

    `ModelError`: the network has no stage of stride 16
    """
    # The layer is a module of the network, so that checkpoints hold it. A hook on the stage calls it: a
    # wrapper around the stage would change the names of the stage's weights.
    name = ATTEND_AFTER.get(plain_name(architecture)) or _stage_of_stride(net, 16)
    if name is None:
        raise ModelError(
            f"{architecture} has no stage of stride 16 after which an attention map could stand."
        )
    stage = net.get_submodule(name)
    layer = AttentionLayer(_channels(net, stage))
    net.add_module(ATTENTION, layer)
    stage.register_forward_hook(layer.attend)


def _stage_of_stride(net: nn.Module, stride: int) -> str | None:
    stages = getattr(net, "feature_info", ())
    names = [stage["module"] for stage in stages if stage["reduction"] == stride]
    return names[-1] if names else None


@torch.no_grad()
def _channels(net: nn.Module, stage: nn.Module) -> int:
    """The number of channels of a stage's output, by a forward pass of an empty image."""
    channels: list[int] = []
    hook = stage.register_forward_hook(lambda _stage, _inputs, output: channels.append(output.shape[1]))
    training, side = net.training, getattr(net, "pretrained_cfg", {}).get("input_size", (3, 64, 64))[-1]
    try:
        cast("Any", net.eval()).forward_features(torch.zeros(1, 3, side, side))
    finally:
        hook.remove()
        net.train(training)
    return channels[0]
