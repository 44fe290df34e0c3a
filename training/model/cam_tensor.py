"""The tensor that a class activation map is made of, where it is not the one that the classifier pools.

The released code of CYBORG and DROID takes the output of a layer that is easy to hook: ResNet's last
convolution, before its norm, the residual sum and the ReLU; DenseNet's last norm, before the ReLU; Xception's
last convolution, before its norm and ReLU. The classifier's weights then multiply another tensor than the
pooled one, and the mean of the map is not the logit. See docs/losses.md.
"""

from dataclasses import dataclass
from typing import Final

from torch import Tensor, nn

from training.config import plain_name
from training.errors import ModelError


@dataclass(frozen=True, slots=True)
class HookPoint:
    """The input or the output of a module of a network."""

    module: str
    is_input: bool = False


RELEASED: Final[dict[str, HookPoint]] = {
    "densenet121": HookPoint("features.norm5.act", is_input=True),
    "inception_v3": HookPoint("Mixed_7c"),  # the very tensor that is pooled
    "legacy_xception": HookPoint("conv4"),
    "resnet50": HookPoint("layer4.2.conv3"),
}


class FeatureHook:
    """Keeps the tensor at a hook point during the forward pass, until `pop`."""

    def __init__(self, net: nn.Module, place: HookPoint) -> None:
        self._tensor: Tensor | None = None
        module = net.get_submodule(place.module)
        if place.is_input:
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]  # it would overwrite the tensor
            module.register_forward_pre_hook(self._keep_input)
        else:
            module.register_forward_hook(self._keep_output)

    # Methods, not lambdas: a copy of the network then fills the copy of this hook.
    def _keep_input(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._tensor = inputs[0]

    def _keep_output(self, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        self._tensor = output

    def pop(self) -> Tensor:
        """The tensor of the last forward pass; `RuntimeError` if there was none since the last call."""
        tensor, self._tensor = self._tensor, None
        if tensor is None:
            raise RuntimeError("there was no forward pass since the tensor was last taken")
        return tensor


def require_released(architecture: str) -> HookPoint:
    """The hook point of the released code; `ModelError` for an architecture that the papers do not use."""
    name = plain_name(architecture)
    if name not in RELEASED:
        known = ", ".join(RELEASED)
        raise ModelError(
            f'cam_tensor = "released" is what the papers\' code takes in {known}; {name} has only "pooled".'
        )
    return RELEASED[name]
