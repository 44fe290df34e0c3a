"""The tensor that a class activation map is made of, where it is not the one that the classifier pools.

The released code of CYBORG and DROID takes what leaves a layer that is easy to get at: ResNet's last
convolution, before its norm, the residual sum and the ReLU; DenseNet's last norm, before the ReLU; Xception's
last convolution, before its norm and ReLU. The classifier's weights then multiply something else than what it
pools, and the mean of the map is not the logit. See docs/losses.md.
"""

from dataclasses import dataclass
from typing import Final

from torch import Tensor, nn

from training.config import plain_name
from training.errors import ModelError


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a network: what enters or what leaves one of its modules."""

    module: str
    enters: bool = False


RELEASED: Final[dict[str, Place]] = {
    "densenet121": Place("features.norm5.act", enters=True),
    "inception_v3": Place("Mixed_7c"),  # the very tensor that is pooled
    "legacy_xception": Place("conv4"),
    "resnet50": Place("layer4.2.conv3"),
}


class Tap:
    """Keeps the tensor that passes a place of a network, until it is taken."""

    def __init__(self, net: nn.Module, place: Place) -> None:
        self._seen: Tensor | None = None
        module = net.get_submodule(place.module)
        if place.enters:
            if getattr(module, "inplace", False):
                module.inplace = False  # type: ignore[assignment]  # it would overwrite what entered
            module.register_forward_pre_hook(lambda _module, inputs: self._keep(inputs[0]))
        else:
            module.register_forward_hook(lambda _module, _inputs, output: self._keep(output))

    def _keep(self, tensor: Tensor) -> None:
        self._seen = tensor

    def take(self) -> Tensor:
        """What passed in the last pass of the network."""
        seen, self._seen = self._seen, None
        if seen is None:
            raise RuntimeError("nothing has passed the network since the tensor was taken")
        return seen


def require_released(architecture: str) -> Place:
    """Where the released code takes its tensor; `ModelError` for a network that it does not know."""
    name = plain_name(architecture)
    if name not in RELEASED:
        known = ", ".join(RELEASED)
        raise ModelError(
            f'cam_tensor = "released" is what the papers\' code takes in {known}; {name} has only "pooled".'
        )
    return RELEASED[name]
