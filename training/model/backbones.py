"""Build networks whose forward pass returns the features for class activation maps beside the logits.

A class activation map explains a logit only if the logit is a linear function of pooled features. `build`
checks that for every network, with random input.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config import CamClass, CamTensor, ModelMap, Pooling, Resize, plain_name
from training.errors import ModelError
from training.model.attention import ATTENTION, AttentionLayer, add_attention
from training.model.block_attention import BlockAttention, last_attention
from training.model.cam import explanation, min_max
from training.model.cam_tensor import FeatureHook, require_released
from training.model.feature_maps import (
    FeatureLayout,
    NoMapError,
    average_patches,
    layout_of,
    norm_after_pooling,
    normalise_as_pooled,
    take_images_of,
)
from training.model.network_input import IMAGENET, NetworkInput, PixelScale

CLASSES: Final = 2
DROPOUT: Final[dict[str, float]] = {"inception_v3": 0.5}
"""Dropout before the classifier, as in torchvision, whose networks the papers train; timm's have none."""


class Backbone(nn.Module):
    """A network with a linear classifier.

    `forward` takes scaled images (N, 3, side, side), and returns the features (N, C, h, w) that a class
    activation map is made of and the logits (N, 2). The features are those that the classifier pools, or
    those at `feature_hook` if there is one.
    """

    def __init__(self, net: nn.Module, *, network_input: NetworkInput) -> None:
        super().__init__()
        self.net = net
        self.network_input = network_input
        self.feature_hook: FeatureHook | None = None
        self.block_attention: BlockAttention | None = None
        self.layout = FeatureLayout()
        self.frozen_modules: tuple[nn.Module, ...] = ()
        self._mean: Tensor
        self._std: Tensor
        for name, colour in {"_mean": network_input.scale.mean, "_std": network_input.scale.std}.items():
            self.register_buffer(name, 255 * torch.tensor(colour).view(1, 3, 1, 1), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Images (N, 3, side, side) uint8 -> float32 on the scale that the network takes."""
        return (images.float() - self._mean) / self._std

    def features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features as the network has them, in its own layout, and logits (N, 2)."""
        net = cast("Any", self.net)
        features = net.forward_features(images)
        return features, net.forward_head(features)

    def classify(self, maps: Tensor) -> Tensor:
        """Logits (N, 2) of features (N, C, h, w) that `forward` returned; in training with dropout."""
        pooled = functional.dropout(maps.mean(dim=(-2, -1)), self.dropout, self.training)
        return cast("Tensor", self.head(pooled))

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002 - torch's signature
        """Training mode for what is trained: frozen layers keep their statistics and drop nothing."""
        super().train(mode)
        for module in self.frozen_modules:
            module.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features, logits = self.features_and_logits(images)
        if self.feature_hook is not None:
            return self.feature_hook.pop(), logits
        maps = self.layout.as_maps(features)
        norm = norm_after_pooling(self.net)
        return (maps if norm is None else normalise_as_pooled(maps, norm)), logits

    @property
    def head(self) -> nn.Linear:
        return cast("nn.Linear", cast("Any", self.net).get_classifier())

    @property
    def weight(self) -> Tensor:
        """Weight of the classifier, (2, C); row 0 = real, row 1 = fake."""
        return self.head.weight

    @property
    def cam_tensor(self) -> CamTensor:
        """Which features `forward` returns."""
        return "pooled" if self.feature_hook is None else "released"

    @property
    def dropout(self) -> float:
        """Share of the pooled features that training drops in each step."""
        layer = getattr(self.net, "head_drop", None)
        return float(layer.p if isinstance(layer, nn.Dropout) else getattr(self.net, "drop_rate", 0.0))

    @property
    def attention(self) -> Tensor | None:
        """The attention (N, a, b) ≥ 0 of the last forward pass: of the last block if that is the model's map,
        else of an inserted layer; None in a network without either."""
        if self.block_attention is not None:
            return self.block_attention.last_map
        layer = getattr(self.net, ATTENTION, None)
        return layer.last_map if isinstance(layer, AttentionLayer) else None

    @property
    def model_map(self) -> ModelMap:
        """What `explain` shows."""
        return "cam" if self.block_attention is None else "attention"

    def explain(self, cam_class: CamClass, features: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """The map (N, h, w) in [0, 1] of the images of the last forward pass, whose outputs these are.

        Parameters as of `explanation`; an attention is of no class, and needs none of them.
        """
        if self.block_attention is not None and self.block_attention.last_map is not None:
            return min_max(self.block_attention.last_map)
        return min_max(explanation(cam_class, features, self.weight, logits, labels).float())

    def guided_map_size(self) -> tuple[int, int]:
        """Height and width of the map that is compared with human maps: the attention, or else the CAM."""
        size = self.map_size()
        return size if self.attention is None else (self.attention.shape[1], self.attention.shape[2])

    @torch.no_grad()
    def map_size(self) -> tuple[int, int]:
        """Height and width of the CAM at the network's input size."""
        features, _ = _probe(self)
        return features.shape[2], features.shape[3]


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

    def group_matcher(self, *, coarse: bool = False) -> dict[str, str]:  # noqa: ARG002 - timm's signature
        """How timm groups the parameters by blocks."""
        return {"stem": "^$", "blocks": r"^features\.(\d+)"}


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


OWN_ARCHITECTURES: Final[dict[str, Callable[[], nn.Module]]] = {"cyborg_tiny": CyborgTiny}


def build(  # noqa: PLR0913 - each is a setting of a run
    architecture: str,
    *,
    image_size: int | None = None,
    attention: bool = False,
    network_input: NetworkInput | None = None,
    scale: PixelScale | None = None,
    resize: Resize = "area",
    dropout: float | None = None,
    cam_tensor: CamTensor = "pooled",
    pooling: Pooling = "own",
    model_map: ModelMap = "cam",
) -> Backbone:
    """A network with random weights, drawn from torch's global generator.

    architecture : a name of timm, or `cyborg_tiny`; a tag of weights behind it sets the scale of its input
    attention : insert an attention layer
    network_input : takes the place of `image_size`, `scale` and `resize`
    image_size, scale, dropout : None is the architecture's own
    cam_tensor : which features `forward` returns
    pooling : what the classifier sees of a vision transformer: what its authors chose, or its patches' mean
    model_map : what stands for the model's map
    `ModelError`: an unknown architecture, or one whose logits are not linear in its pooled features
    """
    net = (
        _build_own(architecture, dropout)
        if architecture in OWN_ARCHITECTURES
        else _from_timm(architecture, dropout, pooling)
    )
    if attention:
        add_attention(net, architecture)
    expected = network_input or _expects(net, image_size, scale, resize)
    if expected.side != _own_side(net):
        take_images_of(net, expected.side)
    backbone = Backbone(net, network_input=expected)
    _require_linear_head(backbone, architecture)
    if cam_tensor == "released":
        backbone.feature_hook = FeatureHook(net, require_released(architecture))
    if model_map == "attention":
        backbone.block_attention = last_attention(net, backbone.layout, architecture)
        _probe(backbone)  # refuses attention within windows, before anything trains
    return backbone


def require_known(architecture: str) -> None:
    """`ModelError` for an architecture, or a tag of weights, that neither timm nor this package has."""
    if architecture in OWN_ARCHITECTURES:
        return
    import timm  # takes seconds to import, and the tiny network does not need it

    name = plain_name(architecture)
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.rstrip('0123456789')}*")[:3]
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise ModelError(f"There is no architecture {architecture!r} among timm's or our own.{hint}")
    tagged = timm.list_pretrained(f"{name}.*")
    if architecture != name and architecture not in tagged:
        known = ", ".join(tag.removeprefix(f"{name}.") for tag in tagged) or "none"
        raise ModelError(f"timm has no weights {architecture!r}; the tags of {name} are: {known}.")


def _build_own(architecture: str, dropout: float | None) -> nn.Module:
    if dropout:
        raise ModelError(f"{architecture} has no dropout before its classifier.")
    return OWN_ARCHITECTURES[architecture]()


def _from_timm(architecture: str, dropout: float | None, pooling: Pooling) -> nn.Module:
    import timm

    require_known(architecture)
    share = DROPOUT.get(plain_name(architecture)) if dropout is None else dropout
    settings: dict[str, Any] = {} if share is None else {"drop_rate": share}
    net: nn.Module = timm.create_model(architecture, pretrained=False, num_classes=CLASSES, **settings)
    if pooling == "mean":
        average_patches(net, architecture)
    head = cast("Any", net).get_classifier()
    if isinstance(head, nn.Linear):
        # torch's default initialisation, which the papers get because they replace the layer: timm's own
        # would give Inception weights that are eight times as large.
        head.reset_parameters()
    return net


def _expects(
    net: nn.Module, image_size: int | None, scale: PixelScale | None, resize: Resize
) -> NetworkInput:
    known = getattr(net, "pretrained_cfg", {})
    own_scale = PixelScale(tuple(known.get("mean", IMAGENET.mean)), tuple(known.get("std", IMAGENET.std)))
    return NetworkInput(image_size or _own_side(net), scale or own_scale, resize)


def _own_side(net: nn.Module) -> int:
    """Side of the images that the architecture was made for, in pixels."""
    return int(getattr(net, "pretrained_cfg", {}).get("input_size", (3, 224, 224))[-1])


@torch.no_grad()
def _require_linear_head(backbone: Backbone, architecture: str) -> None:
    """Find out how the features lie, and that the logits are linear in their mean."""
    try:
        logits = _set_layout(backbone)
        _require_linearity(backbone, logits)
    except NoMapError as reason:
        raise ModelError(
            f"{architecture} has no class activation map that explains its logits: {reason}."
        ) from None


def _set_layout(backbone: Backbone) -> Tensor:
    """Set how the features lie; returns the logits (1, 2) of a random image."""
    if not isinstance(backbone.head, nn.Linear):
        raise NoMapError("its classifier is not one linear layer")
    features, logits = _run(backbone, backbone.features_and_logits)
    if not isinstance(features, Tensor):
        raise NoMapError("its features are several tensors")
    backbone.layout = layout_of(backbone.net, tuple(features.shape), backbone.weight.shape[1])
    return logits


def _require_linearity(backbone: Backbone, logits: Tensor) -> None:
    with _amplified_head(backbone, logits):
        features, logits = _probe(backbone)
        pooled = _pooled_logits(backbone, features)
    if not torch.allclose(pooled, logits, rtol=1e-3, atol=1e-5):
        raise NoMapError("something that is not linear stands between its pooled features and its classifier")


@contextmanager
def _amplified_head(backbone: Backbone, logits: Tensor) -> Iterator[None]:
    """Scale the classifier for the moment, so that its logits are about 3."""
    # The small logits of random weights look linear after almost any function; those of about 3 do not.
    before = [parameter.clone() for parameter in backbone.head.parameters()]
    factor = 3 / logits.abs().max().clamp_min(1e-6)
    try:
        for parameter in backbone.head.parameters():
            parameter.mul_(factor)
        yield
    finally:
        for parameter, value in zip(backbone.head.parameters(), before, strict=True):
            parameter.copy_(value)


def _pooled_logits(backbone: Backbone, features: Tensor) -> Tensor:
    pooled = features.mean(dim=(-2, -1))
    return cast("Tensor", backbone.head(pooled))


def _probe(backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Features (1, C, h, w) and logits (1, 2) of a fixed random image, in eval mode."""
    return _run(backbone, backbone)


def _run(backbone: Backbone, function: Callable[[Tensor], tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """What a function of the network returns for a fixed random image, in eval mode.

    Mode, batch statistics and torch's random state stay as they were.
    """
    training = backbone.training
    device = backbone.weight.device
    side = backbone.network_input.side
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(device)
    backbone.eval()
    try:
        return function(image)
    except RuntimeError as error:
        raise ModelError(f"An image of {side} pixels does not pass through the network: {error}.") from None
    finally:
        backbone.train(training)
