"""Networks whose one forward pass gives logits and the very tensor that the classifier pools.

A class activation map explains a logit only if the logit is a linear function of pooled features. That is
checked for every model that is built, with random input, so that no architecture is trusted by its name.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from training.errors import ModelError

CLASSES: Final = 2
ATTENTION: Final = "attention"
"""Name of the attention layer in a network; a child of that name is ours."""
Colour = tuple[float, float, float]

IMAGENET_MEAN: Final[Colour] = (0.485, 0.456, 0.406)
IMAGENET_STD: Final[Colour] = (0.229, 0.224, 0.225)

PAPER_INPUT: Final[dict[str, tuple[Colour, Colour]]] = {
    # The papers' networks are torchvision's, whose Inception takes ImageNet's mean and deviation.
    "inception_v3": (IMAGENET_MEAN, IMAGENET_STD),
}


ATTEND_AFTER: Final[dict[str, str]] = {
    # Where Dang et al. (CVPR 2020) put it in Xception; elsewhere it follows the last stage of stride 16.
    "legacy_xception": "block7",
    "cyborg_tiny": "features.3",
}


@dataclass(frozen=True, slots=True)
class Input:
    """What a network expects of its images."""

    side: int  # px
    mean: Colour
    std: Colour


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


class Backbone(nn.Module):
    """A network and its linear head. `forward` gives features (N, C, h, w) and logits (N, 2)."""

    def __init__(self, net: nn.Module, *, expects: Input) -> None:
        super().__init__()
        self.net = net
        self.expects = expects
        self._mean: Tensor
        self._std: Tensor
        for name, colour in {"_mean": expects.mean, "_std": expects.std}.items():
            self.register_buffer(name, 255 * torch.tensor(colour).view(1, 3, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """(N, 3, s, s) bytes -> float32 with the mean and deviation that the network expects."""
        return (images.float() - self._mean) / self._std

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        net = cast("Any", self.net)
        features = net.forward_features(images)
        logits = net.forward_head(features)
        norm = _norm_after_pooling(self.net)
        return (features if norm is None else normalise_as_pooled(features, norm)), logits

    @property
    def head(self) -> nn.Linear:
        return cast("nn.Linear", cast("Any", self.net).get_classifier())

    @property
    def weight(self) -> Tensor:
        """(2, C); row 0 = real, row 1 = fake."""
        return self.head.weight

    @property
    def attention(self) -> Tensor | None:
        """(N, a, b) in [0, 1]: the attention of the last pass; None in a network that has none."""
        layer = getattr(self.net, ATTENTION, None)
        return layer.seen if isinstance(layer, Attention) else None

    def guided_size(self) -> tuple[int, int]:
        """Height and width of the map that people may guide: the attention, or else the CAM."""
        size = self.map_size()
        return size if self.attention is None else (self.attention.shape[1], self.attention.shape[2])

    @torch.no_grad()
    def map_size(self) -> tuple[int, int]:
        """Height and width of the CAM at the expected input size."""
        features, _ = _probe(self)
        return features.shape[2], features.shape[3]


def normalise_as_pooled(features: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Move a layer norm that follows pooling, as in ConvNeXt, in front of it without changing the logits.

    The norm's deviation is a number per image once the pooled vector is known, so what is left is linear: the
    mean over the pixels of the result is the normalised pooled vector, exactly.

    features : (N, C, h, w) before pooling -> (N, C, h, w) whose mean the linear layer takes
    """
    pooled = features.mean(dim=(-2, -1), keepdim=True)
    deviation = (pooled.var(dim=1, keepdim=True, unbiased=False) + norm.eps).sqrt()
    scaled = (features - features.mean(dim=1, keepdim=True)) / deviation
    return scaled * norm.weight.view(1, -1, 1, 1) + norm.bias.view(1, -1, 1, 1)


def _norm_after_pooling(net: nn.Module) -> nn.LayerNorm | None:
    head = getattr(net, "head", None)
    norm, between = getattr(head, "norm", None), getattr(head, "pre_logits", None)
    plain = isinstance(between, nn.Identity) and isinstance(norm, nn.LayerNorm)
    return cast("nn.LayerNorm", norm) if plain else None


class CyborgTiny(nn.Module):
    """Six convolutions, stride 8: trains in seconds on a CPU. For demonstrations and tests."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        widths = (3, 16, 16, 32, 32, 64, 64)
        strides = (2, 1, 2, 1, 2, 1)
        layers = [_block(i, o, stride) for i, o, stride in zip(widths, widths[1:], strides, strict=False)]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward_features(self, images: Tensor) -> Tensor:
        return cast("Tensor", self.features(images))

    def forward_head(self, features: Tensor) -> Tensor:
        return cast("Tensor", self.classifier(features.mean(dim=(-2, -1))))

    def get_classifier(self) -> nn.Linear:
        return self.classifier


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


OWN: Final[dict[str, Callable[[], nn.Module]]] = {"cyborg_tiny": CyborgTiny}


def build(architecture: str, *, image_size: int | None = None, attention: bool = False) -> Backbone:
    """A network with random weights, drawn from torch's global generator.

    attention : put an attention map inside it
    `ModelError`: an unknown architecture, or one whose logits are not linear in its pooled features.
    """
    net = OWN[architecture]() if architecture in OWN else _from_timm(architecture)
    if attention:
        _attend(net, architecture)
    backbone = Backbone(net, expects=_expects(net, architecture, image_size))
    _require_linear_head(backbone, architecture)
    return backbone


def require_known(architecture: str) -> None:
    """`ModelError` for a name that neither we nor timm know."""
    if architecture in OWN:
        return
    import timm  # takes seconds to import, and the tiny network does not need it

    if not timm.is_model(architecture):
        near = timm.list_models(f"*{architecture.partition('.')[0].rstrip('0123456789')}*")[:3]
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise ModelError(f"There is no architecture {architecture!r} among timm's or our own.{hint}")


def _from_timm(architecture: str) -> nn.Module:
    import timm

    require_known(architecture)
    net: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=CLASSES)
    return net


def _attend(net: nn.Module, architecture: str) -> None:
    """Let an attention map weigh what leaves one stage of the network.

    The layer is a child of the network, so that checkpoints hold it, and is called by a hook on the stage, so
    that the stage's weights keep their names.
    """
    name = ATTEND_AFTER.get(architecture) or _stage_of_stride(net, 16)
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


def _expects(net: nn.Module, architecture: str, image_size: int | None) -> Input:
    known = getattr(net, "pretrained_cfg", {})
    mean, std = PAPER_INPUT.get(
        architecture, (known.get("mean", IMAGENET_MEAN), known.get("std", IMAGENET_STD))
    )
    side = image_size or known.get("input_size", (3, 224, 224))[-1]
    return Input(side=side, mean=tuple(mean), std=tuple(std))


@torch.no_grad()
def _require_linear_head(backbone: Backbone, architecture: str) -> None:
    reason = _why_not_linear(backbone)
    if reason:
        raise ModelError(f"{architecture} has no class activation map that explains its logits: {reason}.")


def _why_not_linear(backbone: Backbone) -> str:
    if not isinstance(backbone.head, nn.Linear):
        return "its classifier is not one linear layer"
    features, logits = _probe(backbone)
    channels = backbone.weight.shape[1]
    if features.ndim != 4 or features.shape[1] != channels:
        return f"its features {tuple(features.shape)} are not {channels} maps that the classifier pools"
    with _loud_head(backbone, logits):
        features, logits = _probe(backbone)
        pooled = _pooled_logits(backbone, features)
    if not torch.allclose(pooled, logits, rtol=1e-3, atol=1e-5):
        return "something that is not linear stands between its pooled features and its classifier"
    return ""


@contextmanager
def _loud_head(backbone: Backbone, logits: Tensor) -> Iterator[None]:
    """Let the logits be about 3: the small ones of random weights look linear after almost any function."""
    before = [parameter.clone() for parameter in backbone.head.parameters()]
    loudness = 3 / logits.abs().max().clamp_min(1e-6)
    try:
        for parameter in backbone.head.parameters():
            parameter.mul_(loudness)
        yield
    finally:
        for parameter, value in zip(backbone.head.parameters(), before, strict=True):
            parameter.copy_(value)


def _pooled_logits(backbone: Backbone, features: Tensor) -> Tensor:
    pooled = features.mean(dim=(-2, -1))
    return cast("Tensor", backbone.head(pooled))


def _probe(backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Features and logits of one random image; leaves mode, statistics and the random state as they were."""
    training = backbone.training
    device = backbone.weight.device
    side = backbone.expects.side
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    try:
        features, logits = backbone.eval()(image)
    except RuntimeError as error:
        raise ModelError(f"An image of {side} pixels does not pass through the network: {error}.") from None
    finally:
        backbone.train(training)
    return features, logits
