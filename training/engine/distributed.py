"""Several processes that share each batch of one run, started by torchrun.

Each process lets its part of the batch through the network. What comes out is gathered, so every process
computes the same loss of the whole batch, whatever the objective does with means, and takes the same
decisions. Together with batch statistics over all processes that makes the loss curve that of one process.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


def world_size() -> int:
    """How many processes torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """This is the process that speaks and writes."""
    return rank() == 0


def local_rank() -> int:
    """The number of this process on its machine, and of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """The processes know each other inside the block; nothing happens when there is one."""
    if world_size() == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def process_slice(n: int) -> slice:
    """Which of n samples this process lets through: contiguous parts whose sizes differ by at most one."""
    begin, end = (n * number // world_size() for number in (rank(), rank() + 1))
    return slice(begin, end)


def gather(part: Tensor, n: int) -> Tensor:
    """The outputs (n, …) of all processes from the part of each, with gradients that find their way back."""
    if world_size() == 1:
        return part
    whole = part.new_zeros(n, *part.shape[1:])
    places = torch.arange(n, device=part.device)[process_slice(n)]
    return _sum(whole.index_copy(0, places, part))


def data_parallel(net: nn.Module, device: torch.device) -> nn.Module:
    """The network, its gradients averaged over the processes after each backward pass."""
    if world_size() == 1:
        return net
    ids = [device.index] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(net, device_ids=ids, broadcast_buffers=False)


def synchronised_batch_norm() -> AbstractContextManager[object]:
    """Inside, batch normalisation takes its statistics over the samples of all processes."""
    return nullcontext() if world_size() == 1 else SynchronisedBatchNorm()


class SynchronisedBatchNorm(TorchFunctionMode):
    """Replaces `batch_norm` of whatever layer calls it, so that every architecture works as it is.

    PyTorch's own SyncBatchNorm exists for GPUs only and has to be put into each kind of layer.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.nn.functional.batch_norm:
            return batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def batch_norm(
    images: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,  # noqa: FBT001, FBT002 - torch's signature
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`torch.nn.functional.batch_norm` with the statistics of all processes. (n, C, h, w), n may be 0."""
    if not training:
        fixed = (running_mean, running_var, weight, bias, training, momentum, eps)
        return nn.functional.batch_norm(images, *fixed)
    values = images.float()
    count = _sum(values.new_tensor(float(values.shape[0] * values.shape[2] * values.shape[3])))
    mean = _sum(values.sum(dim=(0, 2, 3))) / count
    centred = values - mean.view(1, -1, 1, 1)
    variance = _sum(centred.square().sum(dim=(0, 2, 3))) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_((variance * count / (count - 1)).to(running_var), momentum)
    scale = (variance + eps).rsqrt() * (1.0 if weight is None else weight)
    result = centred * scale.view(1, -1, 1, 1)
    return (result if bias is None else result + bias.view(1, -1, 1, 1)).to(images.dtype)


class _AllReduceSum(torch.autograd.Function):
    """The sum of a tensor over all processes. The gradient is the sum of theirs."""

    @staticmethod
    def forward(_ctx: Any, tensor: Tensor) -> Tensor:
        return _all_reduced(tensor)

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        return _all_reduced(grads[0])


def _all_reduced(tensor: Tensor) -> Tensor:
    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def _sum(tensor: Tensor) -> Tensor:
    return cast("Tensor", _AllReduceSum.apply(tensor))
