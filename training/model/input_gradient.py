"""The gradient of a network's log probabilities to its images, in a form that can be differentiated again."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import log_softmax


def twice_differentiable() -> AbstractContextManager[None]:
    """Within this, the forward pass uses the one kernel of attention that has a second derivative."""
    return sdpa_kernel(SDPBackend.MATH)


def input_gradient(logits: Tensor, images: Tensor) -> Tensor:
    """Gradient of the log probabilities of all classes, summed, to each image (Ross et al., IJCAI 2017).

    With two classes it is (1 - 2 p) ∇(z_fake - z_real), p the probability of fake: 0 where the network is
    undecided. In a network with batch norm it includes the way over the statistics of the batch.

    Parameters
    ----------
    logits : (N, K) that were computed from `images`
    images : (N, 3, H, W) on the scale that the network takes, with `requires_grad`

    Returns
    -------
    gradient : (N, 3, H, W) with a graph, so that a loss of it has a gradient to the weights
    """
    with torch.autocast(logits.device.type, enabled=False):
        at_least_float32 = logits if logits.dtype == torch.float64 else logits.float()
        log_probabilities = log_softmax(at_least_float32, dim=1)
        (gradient,) = torch.autograd.grad(log_probabilities.sum(), images, create_graph=True)
    return gradient
