"""Fold batch normalisations into the convolutions before them: the same function with fewer operations.

In eval mode a batch normalisation multiplies and shifts each channel by constants, which the weights and
bias of the convolution before it can hold.
"""

import copy
from collections import Counter
from functools import partial
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.model.backbones import Backbone

SAME: Final = 1e-3
"""Largest difference that rounding may make, as a share of the largest value."""


def folded(backbone: Backbone) -> tuple[Backbone, int]:
    """A copy with every batch normalisation folded that stands right behind a convolution.

    Returns the copy and the number of folded layers, both networks in eval mode. A pair is found by the
    tensor that goes from one to the other in a forward pass, and left alone where the convolution's output is
    also the tensor of the maps. If features or logits of the copy differ by more than rounding, nothing is
    folded.
    """
    backbone.eval()
    with torch.no_grad():  # what the network keeps of this pass can be copied: it has no graph
        image = _probe_image(backbone)
        pairs, (features, logits) = _pairs(backbone, image)
        copied = copy.deepcopy(backbone)
        for convolution, norm in pairs:
            _fold(copied.net, convolution, norm)
        other_features, other_logits = copied(image)
    if _is_close(other_logits, logits) and _is_close(other_features, features):
        return copied, len(pairs)
    return copy.deepcopy(backbone), 0


def _probe_image(backbone: Backbone) -> Tensor:
    side = backbone.network_input.side
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    return image.to(backbone.weight.device)


def _is_close(values: Tensor, others: Tensor) -> bool:
    return bool((values - others).abs().max() <= SAME * others.abs().max())


def _pairs(backbone: Backbone, image: Tensor) -> tuple[list[tuple[str, str]], tuple[Tensor, Tensor]]:
    """Names of each convolution and the normalisation behind it, and what the network returns."""
    trace = _Trace(backbone.net)
    outputs = backbone(image)
    return trace.end(excluding=outputs[0]), outputs


class _Trace:
    """Follows the tensors of one forward pass from convolutions to normalisations."""

    def __init__(self, net: nn.Module) -> None:
        self._made: dict[int, tuple[str, Tensor]] = {}  # with the tensor, so that no other gets its address
        self._calls: Counter[str] = Counter()
        self._pairs: list[tuple[str, str]] = []
        self._hooks = []
        for name, module in net.named_modules():
            if isinstance(module, nn.Conv2d):
                self._hooks.append(module.register_forward_hook(partial(self._keep, name)))
            elif isinstance(module, nn.BatchNorm2d):
                self._hooks.append(module.register_forward_pre_hook(partial(self._look, name)))

    def _keep(self, name: str, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._calls[name] += 1
        self._made[id(output)] = (name, output)

    def _look(self, name: str, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._calls[name] += 1
        if id(inputs[0]) in self._made:
            self._pairs.append((self._made[id(inputs[0])][0], name))

    def end(self, *, excluding: Tensor) -> list[tuple[str, str]]:
        """The pairs that are used once in a pass; not those whose convolution made `excluding`."""
        for hook in self._hooks:
            hook.remove()
        excluded = self._made[id(excluding)][0] if id(excluding) in self._made else None
        return [
            pair for pair in self._pairs if pair[0] != excluded and all(self._calls[n] == 1 for n in pair)
        ]


def _fold(net: nn.Module, convolution: str, norm: str) -> None:
    layer = cast("nn.Conv2d", net.get_submodule(convolution))
    after = cast("nn.BatchNorm2d", net.get_submodule(norm))
    net.set_submodule(convolution, fuse_conv_bn_eval(layer, after))
    # timm's normalisations may have drop-out, which does nothing here, and an activation of their own.
    rest = getattr(after, "act", None)
    net.set_submodule(norm, rest if isinstance(rest, nn.Module) else nn.Identity())
