"""The attention of the last block of a vision transformer, as a map that stands in for the CAM."""

from typing import Any, cast

from torch import Tensor, nn

from training.errors import ModelError
from training.model.feature_maps import FeatureLayout


class BlockAttention:
    """Keeps how the patches of an image are looked at in the last block, as of the last forward pass.

    `last_map` (N, h, w), ≥ 0: the mean over heads, and over the patches that look, of the attention to each
    patch, times the number of patches; so 1 is an even share. The classifier averages those patches, so the
    map says what that average was gathered from. What class tokens and registers get is left out, and what
    they look at.
    """

    def __init__(self, layer: nn.Module, layout: FeatureLayout) -> None:
        self._layout = layout
        self.last_map: Tensor | None = None
        # The fused kernel never forms the attention: it is computed in steps here, in this one block.
        cast("Any", layer).fused_attn = False
        # A method, not a lambda: a copy of the network then fills the copy of this object.
        cast("nn.Module", layer.attn_drop).register_forward_pre_hook(self._keep)

    def _keep(self, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        attention = inputs[0]
        prefix, (rows, columns) = self._layout.prefix, self._layout.grid
        tokens = prefix + rows * columns
        if attention.ndim != 4 or attention.shape[2:] != (tokens, tokens):
            raise ModelError("The attention of the last block is not between all patches of an image.")
        looked_at = attention[:, :, prefix:, prefix:].float().mean(dim=(1, 2))
        self.last_map = rows * columns * looked_at.reshape(-1, rows, columns)


def last_attention(net: nn.Module, layout: FeatureLayout, architecture: str) -> BlockAttention:
    """Watch the attention of the last block. `ModelError`: the network has none between its patches."""
    layers = [module for module in net.modules() if _is_attention(module)]
    if layout.kind != "tokens" or not layers:
        raise ModelError(
            f'{architecture} has no attention between its patches, which map = "attention" is made of; '
            "vision transformers have."
        )
    return BlockAttention(layers[-1], layout)


def _is_attention(module: nn.Module) -> bool:
    return hasattr(module, "fused_attn") and isinstance(getattr(module, "attn_drop", None), nn.Module)
