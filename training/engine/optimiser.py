"""SGD with momentum, or Adam, with state by the names of the parameters; what is frozen is left alone.

This uses torch's functional forms, not its optimiser classes: building one of those imports torch's compiler,
which costs each run five seconds of CPU time before its first step, and their state has no names of
parameters, which checkpoints need.
"""

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from training.config import OptimiserSettings

SECOND_DECAY: Final = 0.999
"""Of Adam's second moment."""


class Optimiser:
    """Updates the parameters of a network by their gradients; the rate of each step is an argument."""

    def __init__(
        self, net: nn.Module, settings: OptimiserSettings, *, classifier: nn.Module | None = None
    ) -> None:
        """classifier : the part that learns at `lr`, the others at `trunk_rate` times that; None is all."""
        self.settings = settings
        named = net.named_parameters()
        self.parameters = {name: parameter for name, parameter in named if parameter.requires_grad}
        full_rate = {id(parameter) for parameter in (classifier or net).parameters()}
        self._shares = {
            name: 1.0 if id(parameter) in full_rate else settings.trunk_rate
            for name, parameter in self.parameters.items()
        }
        self.momentum: dict[str, Tensor | None] = dict.fromkeys(self.parameters)
        self.second: dict[str, Tensor] = {}
        self.steps: dict[str, Tensor] = {}

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The parameters in the form that `torch.amp.GradScaler` needs."""
        return [{"params": list(self.parameters.values())}]

    def learning_rate(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 1: lr · gamma^⌊(epoch - 1) / step_epochs⌋."""
        steps = self.settings.step_epochs
        return self.settings.lr * self.settings.gamma ** ((epoch - 1) // steps if steps else 0)

    def zero_grad(self) -> None:
        """Drop all gradients; call it before each backward pass."""
        # None, not 0: the backward pass then writes a gradient instead of adding to it.
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Update every parameter that has a gradient, in place.

        lr : learning rate of the classifier, > 0; that of the others is `trunk_rate` times this
        """
        update = self._adam if self.settings.name == "adam" else self._sgd
        for share in sorted(set(self._shares.values())):
            gradients = {
                name: parameter.grad
                for name, parameter in self.parameters.items()
                if parameter.grad is not None and self._shares[name] == share
            }
            if gradients:
                update(gradients, lr * share)

    def _sgd(self, gradients: dict[str, Tensor], lr: float) -> None:
        buffers = [self.momentum[name] for name in gradients]
        sgd(
            [self.parameters[name] for name in gradients],
            list(gradients.values()),
            buffers,
            weight_decay=self.settings.weight_decay,
            momentum=self.settings.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            fused=self._is_fused,
        )
        # `sgd` puts a new buffer into the list where there was None.
        self.momentum.update(zip(gradients, buffers, strict=True))

    def _adam(self, gradients: dict[str, Tensor], lr: float) -> None:
        for name, gradient in gradients.items():
            if self.momentum[name] is None:
                self.momentum[name] = torch.zeros_like(gradient)
                self.second[name] = torch.zeros_like(gradient)
                # A tensor, because a CUDA graph would replay the count of its capture.
                self.steps[name] = torch.zeros((), dtype=torch.float32, device=gradient.device)
        adam(
            [self.parameters[name] for name in gradients],
            list(gradients.values()),
            [self.momentum[name] for name in gradients],  # type: ignore[misc]
            [self.second[name] for name in gradients],
            [],
            [self.steps[name] for name in gradients],
            amsgrad=False,
            beta1=self.settings.momentum,
            beta2=SECOND_DECAY,
            lr=lr,
            weight_decay=self.settings.weight_decay,
            eps=1e-8,
            maximize=False,
            fused=self._is_fused,
        )

    @property
    def _is_fused(self) -> bool:
        """On a GPU one kernel updates all parameters, and can be part of a CUDA graph."""
        return next(iter(self.parameters.values())).is_cuda

    def state_dict(self) -> dict[str, Tensor]:
        """The state: momentum by the name of its parameter, `second/<name>` and `steps/<name>` for Adam."""
        first = {name: buffer for name, buffer in self.momentum.items() if buffer is not None}
        second = {f"second/{name}": buffer for name, buffer in self.second.items()}
        return first | second | {f"steps/{name}": count for name, count in self.steps.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what `state_dict` returned; parameters without an entry start anew."""
        for name, parameter in self.parameters.items():
            first, second = state.get(name), state.get(f"second/{name}")
            self.momentum[name] = None if first is None else _laid_out_as(parameter, first)
            if second is not None:
                self.second[name] = _laid_out_as(parameter, second)
                self.steps[name] = state[f"steps/{name}"].to(parameter.device)


@torch.no_grad()
def _laid_out_as(parameter: Tensor, values: Tensor) -> Tensor:
    """The values on the parameter's device and in its memory format, as fused kernels need them."""
    return torch.empty_like(parameter, requires_grad=False).copy_(values)
