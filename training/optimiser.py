"""Stochastic gradient descent with momentum, over parameters by name.

torch's functional form is used, not its `SGD` class: building that class imports torch's compiler, which
costs each run five seconds of CPU time before its first step, and here buffers have the names of their
parameters, as checkpoints want them.
"""

import torch
from torch import Tensor, nn
from torch.optim.sgd import sgd

from training.config import Optimiser


class Descent:
    """Moves the parameters of a network down their gradients."""

    def __init__(self, net: nn.Module, settings: Optimiser) -> None:
        self.settings = settings
        self.parameters = dict(net.named_parameters())
        self.momentum: dict[str, Tensor | None] = dict.fromkeys(self.parameters)

    def learning_rate(self, epoch: int) -> float:
        """The rate of an epoch, counted from 1."""
        steps = self.settings.step_epochs
        return self.settings.lr * self.settings.gamma ** ((epoch - 1) // steps if steps else 0)

    def forget_gradients(self) -> None:
        """To be called before each backward pass."""
        for parameter in self.parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """One step for every parameter that has a gradient."""
        moving = [name for name, parameter in self.parameters.items() if parameter.grad is not None]
        buffers = [self.momentum[name] for name in moving]
        sgd(
            [self.parameters[name] for name in moving],
            [self.parameters[name].grad for name in moving],  # type: ignore[misc]
            buffers,
            weight_decay=self.settings.weight_decay,
            momentum=self.settings.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )
        self.momentum.update(zip(moving, buffers, strict=True))
