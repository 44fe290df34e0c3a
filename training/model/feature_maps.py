"""Read the features of a network as maps: those of convolutions, with channels last, or tokens of patches."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import Tensor, nn

from training.errors import ModelError

POOLED_BY_MEAN = 'set pooling = "mean" to classify the mean of its patches'


class NoMapError(ModelError):
    """The reason why a network has no class activation map that explains its logits, without its name."""


@dataclass(frozen=True, slots=True)
class FeatureLayout:
    """How features lie in memory: (N, C, h, w), (N, h, w, C), or tokens (N, prefix + h·w, C)."""

    kind: Literal["channels_first", "channels_last", "tokens"] = "channels_first"
    prefix: int = 0
    """Tokens before those of the patches: classes and registers."""
    grid: tuple[int, int] = (0, 0)
    """Rows and columns of patches."""

    def as_maps(self, features: Tensor) -> Tensor:
        """Features in this layout -> (N, C, h, w); tokens that are no patches are left out."""
        if self.kind == "tokens":
            return features[:, self.prefix :].transpose(1, 2).reshape(features.shape[0], -1, *self.grid)
        return features.permute(0, 3, 1, 2) if self.kind == "channels_last" else features


def layout_of(net: nn.Module, shape: tuple[int, ...], channels: int) -> FeatureLayout:
    """The layout of a network's features.

    shape : of its features for one image
    channels : inputs of its classifier
    `NoMapError`: the features are not `channels` maps that the classifier averages
    """
    if len(shape) == 3:
        return _layout_of_tokens(net, shape)
    if len(shape) == 4 and shape[1] == channels:
        return FeatureLayout()
    if len(shape) == 4 and shape[3] == channels:
        return FeatureLayout("channels_last")
    raise NoMapError(f"its features {shape} are not {channels} maps that the classifier pools")


def _layout_of_tokens(net: nn.Module, shape: tuple[int, ...]) -> FeatureLayout:
    if reason := _why_no_mean(net):
        raise NoMapError(reason)
    prefix = int(getattr(net, "num_prefix_tokens", 0))
    grid = _grid_of_patches(net)
    if grid is None or prefix + grid[0] * grid[1] != shape[1]:
        raise NoMapError(f"its features {shape} are tokens, and it does not say where in the image they lie")
    return FeatureLayout("tokens", prefix, grid)


def _why_no_mean(net: nn.Module) -> str:
    """Why the classifier of a network of tokens does not see their mean; empty if it may."""
    if getattr(net, "attn_pool", None) is not None:
        return f"its classifier sees an attention over the patches, not their mean; {POOLED_BY_MEAN}"
    pooling = getattr(net, "global_pool", "avg")
    if pooling == "token":
        return f"its classifier sees a token of its own, not the patches; {POOLED_BY_MEAN}"
    if pooling != "avg":
        return f"its classifier sees the patches pooled by {pooling!r}, not by their mean; {POOLED_BY_MEAN}"
    if getattr(net, "pool_include_prefix", False):
        return "its classifier sees the mean of patches and other tokens"
    return ""


def _grid_of_patches(net: nn.Module) -> tuple[int, int] | None:
    for part in ("patch_embed", "stem"):
        grid = getattr(getattr(net, part, None), "grid_size", None)
        if grid is not None:
            return (int(grid[0]), int(grid[1]))
    return None


def norm_after_pooling(net: nn.Module) -> nn.LayerNorm | None:
    """The layer norm between pooling and classifier, if that is all there is between them."""
    head = getattr(net, "head", None)
    norm, between = getattr(head, "norm", None), getattr(head, "pre_logits", None)
    if isinstance(between, nn.Identity) and isinstance(norm, nn.LayerNorm):  # as in ConvNeXt
        return norm
    norm = getattr(net, "fc_norm", None)  # as in vision transformers that average their patches
    return norm if isinstance(norm, nn.LayerNorm) else None


def normalise_as_pooled(features: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Move a layer norm that follows pooling in front of it without changing the logits.

    features : (N, C, h, w) before pooling -> (N, C, h, w) whose mean over the pixels is the normalised vector
    """
    # The deviation is one number per image, that of the pooled vector; what is left is linear in each pixel.
    pooled = features.mean(dim=(-2, -1), keepdim=True)
    deviation = (pooled.var(dim=1, keepdim=True, unbiased=False) + norm.eps).sqrt()
    scaled = (features - features.mean(dim=1, keepdim=True)) / deviation
    # `elementwise_affine` may be off, and the bias alone, too.
    if norm.weight is not None:
        scaled = scaled * norm.weight.view(1, -1, 1, 1)
    return scaled if norm.bias is None else scaled + norm.bias.view(1, -1, 1, 1)


def average_patches(net: nn.Module, architecture: str) -> None:
    """Let the classifier see the mean of the patches, whatever the architecture pools by; it is drawn anew.

    `ModelError`: the network cannot
    """
    own = cast("Any", net)
    try:
        own.reset_classifier(own.num_classes, global_pool="avg")
    except (AttributeError, TypeError, AssertionError):
        raise ModelError(
            f'The pooling of {architecture} cannot be chosen; leave out pooling = "mean".'
        ) from None
    if getattr(net, "attn_pool", None) is not None:
        own.attn_pool = None


def take_images_of(net: nn.Module, side: int) -> None:
    """Prepare a network whose layers depend on the size of its input, as position embeddings do, for one.

    side : of the images in pixels
    `ModelError`: it takes no images of this size
    """
    resize = getattr(net, "set_input_size", None)
    if resize is None:
        return
    patch = getattr(getattr(net, "patch_embed", None), "patch_size", (1, 1))[0]
    if side % patch:
        raise ModelError(f"An image of {side} pixels is no whole number of patches of {patch} pixels.")
    try:
        resize(img_size=(side, side))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise ModelError(f"The network takes no images of {side} pixels: {error}.") from None
