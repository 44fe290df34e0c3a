"""The gradient to images of what a network says of them, in a form that can be differentiated again."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import log_softmax

from training.config import AnyObjective, CamClass, Harmonizer


def twice_differentiable() -> AbstractContextManager[None]:
    """Within this, the forward pass uses the one kernel of attention that has a second derivative."""
    return sdpa_kernel(SDPBackend.MATH)


def derived_score(objective: AnyObjective, logits: Tensor, labels: Tensor) -> Tensor:
    """The number of each image (N,) whose gradient to the image an objective guides.

    logits : (N, K); labels : (N,) int64
    """
    if isinstance(objective, Harmonizer):
        return _explained_logit(objective.cam_class, logits, labels)
    return _log_probabilities(logits)


def input_gradient(scores: Tensor, images: Tensor) -> Tensor:
    """Gradient of the score of each image to that image.

    In a network with batch norm it includes the way over the statistics of the batch.

    Parameters
    ----------
    scores : (N,) that were computed from `images`
    images : (N, 3, H, W) on the scale that the network takes, with `requires_grad`

    Returns
    -------
    gradient : (N, 3, H, W) with a graph, so that a loss of it has a gradient to the weights
    """
    (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient


def _log_probabilities(logits: Tensor) -> Tensor:
    """Log probabilities (N, K) of all classes, summed to (N,) as in Ross et al. (IJCAI 2017).

    With two classes its gradient is (1 - 2 p) ∇(z_fake - z_real), p the probability of fake: 0 where the
    network is undecided.
    """
    with torch.autocast(logits.device.type, enabled=False):
        at_least_float32 = logits if logits.dtype == torch.float64 else logits.float()
        return log_softmax(at_least_float32, dim=1).sum(dim=1)


def _explained_logit(cam_class: CamClass, logits: Tensor, labels: Tensor) -> Tensor:
    """The logit (N,) of the class that `cam_class` names; of `difference` less the mean of the others."""
    target = logits.argmax(dim=1) if cam_class == "predicted" else labels
    own = logits.gather(1, target[:, None])[:, 0]
    if cam_class != "difference":
        return own
    return own - (logits.sum(dim=1) - own) / (logits.shape[1] - 1)
