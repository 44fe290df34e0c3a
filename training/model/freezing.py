"""Choose the weights that are trained; the others stay as they begin."""

from collections.abc import Iterator
from typing import Any, Final, cast

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from training.errors import ModelError
from training.model.backbones import Backbone

NORMS: Final = (nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, _BatchNorm)


def freeze(backbone: Backbone, what: str) -> None:
    """Let only a part of a network be trained; the classifier always is.

    what : `none` trains everything, `trunk` the classifier alone, `norms` also the layers of normalisation,
        `last_n` also the last n blocks and what follows them
    Frozen layers stay in eval mode: their statistics do not move, and they drop nothing.
    `ModelError`: the network has no such part
    """
    if what == "none":
        return
    head = {id(parameter) for parameter in backbone.head.parameters()}
    trained = head | {id(parameter) for parameter in _trained_trunk(backbone.net, what)}
    for parameter in backbone.net.parameters():
        parameter.requires_grad = id(parameter) in trained
    backbone.frozen_modules = tuple(_frozen_modules(backbone.net))


def _trained_trunk(net: nn.Module, what: str) -> list[nn.Parameter]:
    if what == "trunk":
        return []
    if what == "norms":
        norms = [p for module in net.modules() if isinstance(module, NORMS) for p in module.parameters()]
        if not norms:
            raise ModelError('The network has no layers of normalisation; freeze = "norms" leaves nothing.')
        return norms
    return _last_blocks(net, int(what.removeprefix("last_")))


def _last_blocks(net: nn.Module, count: int) -> list[nn.Parameter]:
    """Parameters of the last blocks, as timm counts them, and of the layers behind them."""
    from timm.models import group_parameters

    try:
        matcher = cast("Any", net).group_matcher(coarse=False)
        block_of = group_parameters(net, matcher, reverse=True)
    except (AttributeError, TypeError, ValueError, AssertionError):
        raise ModelError(
            'timm does not say what the blocks of this network are; use another "freeze".'
        ) from None
    # The last group is what follows the blocks: the classifier, and often a layer norm.
    blocks = sorted(set(block_of.values()))[:-1]
    if count >= len(blocks):
        raise ModelError(
            f'The network has {len(blocks)} blocks; freeze = "last_{count}" would freeze nothing.'
        )
    parameters = dict(net.named_parameters())
    return [parameters[name] for name, block in block_of.items() if block >= blocks[-count]]


def _frozen_modules(net: nn.Module) -> Iterator[nn.Module]:
    """The largest parts of a network that have weights, none of which is trained."""
    for child in net.children():
        trained = [parameter.requires_grad for parameter in child.parameters()]
        if trained and not any(trained):
            yield child
        elif trained:
            yield from _frozen_modules(child)
