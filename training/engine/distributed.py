"""Train one run with several processes, started by torchrun, that share each batch.

Each process computes the forward pass of its slice of the batch. The outputs are gathered, so that every
process computes the loss of the whole batch, whatever its objective averages, and takes the same decisions.
With batch statistics over all processes, the loss curve equals that of one process.
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
    """The number of processes that torchrun has started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """The number of this process, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Whether this is the process that writes files and events."""
    return rank() == 0


def local_rank() -> int:
    """The number of this process on its machine, and of its GPU, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def process_group(device: torch.device) -> Iterator[None]:
    """Connect the processes inside the block; does nothing for a single process."""
    if world_size() == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def process_slice(n: int) -> slice:
    """The slice of n samples of this process; the sizes of the slices differ by at most one."""
    begin, end = (n * number // world_size() for number in (rank(), rank() + 1))
    return slice(begin, end)


def gather(part: Tensor, n: int) -> Tensor:
    """The outputs (n, …) of all processes from the slice of each; gradients flow back to each slice."""
    if world_size() == 1:
        return part
    whole = part.new_zeros(n, *part.shape[1:])
    index = torch.arange(n, device=part.device)[process_slice(n)]
    # A sum of tensors that are 0 outside their slice: unlike all_gather it takes slices of different sizes.
    return _sum(whole.index_copy(0, index, part))


def data_parallel(net: nn.Module, device: torch.device) -> nn.Module:
    """The network with gradients that are averaged over the processes after each backward pass."""
    if world_size() == 1:
        return net
    # `gather` has summed the gradients of as many equal losses as there are processes; the mean undoes that.
    ids = [device.index] if device.type == "cuda" else None
    return nn.parallel.DistributedDataParallel(net, device_ids=ids, broadcast_buffers=False)


def synchronised_batch_norm() -> AbstractContextManager[object]:
    """Inside this context, batch normalisation uses the statistics of the samples of all processes."""
    return nullcontext() if world_size() == 1 else SynchronisedBatchNorm()


class SynchronisedBatchNorm(TorchFunctionMode):
    """Replaces the function `batch_norm` of every layer, so that no architecture has to be changed.

    PyTorch's own SyncBatchNorm works on GPUs only, and replaces layers of known classes.
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
    """`torch.nn.functional.batch_norm` with the statistics of all processes, (n, C, h, w); n may be 0."""
    if not training:
        fixed = (running_mean, running_var, weight, bias, training, momentum, eps)
        return nn.functional.batch_norm(images, *fixed)
    values = images.float()  # sums in half precision would lose digits
    count = _sum(values.new_tensor(float(values.shape[0] * values.shape[2] * values.shape[3])))
    mean = _sum(values.sum(dim=(0, 2, 3))) / count
    # Centred first: the mean of squares less the square of the mean would cancel.
    centred = values - mean.view(1, -1, 1, 1)
    variance = _sum(centred.square().sum(dim=(0, 2, 3))) / count
    if running_mean is not None and running_var is not None:
        with torch.no_grad():
            # As in PyTorch, the running variance is the unbiased one.
            running_mean.lerp_(mean.to(running_mean), momentum)
            running_var.lerp_((variance * count / (count - 1)).to(running_var), momentum)
    scale = (variance + eps).rsqrt() * (1.0 if weight is None else weight)
    result = centred * scale.view(1, -1, 1, 1)
    return (result if bias is None else result + bias.view(1, -1, 1, 1)).to(images.dtype)


class _AllReduceSum(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(_ctx: Any, tensor: Tensor) -> Tensor:
        return _all_reduced(tensor)

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> Tensor:
        return _all_reduced(grads[0])


def _all_reduced(tensor: Tensor) -> Tensor:
    # all_reduce works in place, and autograd still needs the tensor.
    total = tensor.detach().clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total


def _sum(tensor: Tensor) -> Tensor:
    return cast("Tensor", _AllReduceSum.apply(tensor))
