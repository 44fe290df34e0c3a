"""Choose the device of a run, its precision, and what makes a GPU faster: compiling, CUDA graphs, layout."""

import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, cast

import torch
from torch import nn

from training.config import RunConfig, RunSettings, Switch
from training.engine import distributed
from training.errors import ModelError, RecipeError

Precision = Literal["float32", "bfloat16", "float16"]
DTYPES: Final[dict[Precision, torch.dtype]] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

CPU_BATCH: Final = 64
"""Images per forward pass without training on a CPU: more are not faster."""

COMPILE_PAYS_AFTER_STEPS: Final = 40_000
"""Compiling ResNet-50 took a minute on an H200 and saved 1.5 ms of a step: a short run loses."""


@dataclass(frozen=True, slots=True)
class Computation:
    """How a run computes, with every `auto` decided; a part of run.json."""

    precision: Precision
    channels_last: bool
    compile: bool
    cuda_graphs: bool
    deterministic: bool
    processes: int

    def as_record(self) -> dict[str, Any]:
        return asdict(self)

    def autocast(self, device: torch.device) -> AbstractContextManager[None]:
        """Mixed precision for the forward pass of the network; the losses after it are in float32."""
        return torch.autocast(device.type, dtype=DTYPES[self.precision], enabled=self.precision != "float32")

    def scaler(self, device: torch.device) -> torch.amp.GradScaler:
        """Scales gradients in float16, where small ones would become 0; does nothing in other precisions."""
        return torch.amp.GradScaler(device.type, enabled=self.precision == "float16")

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def prepare(self, net: nn.Module, device: torch.device) -> nn.Module:
        """The network to call in training: compiled, wrapped for several processes, or as it is."""
        if self.compile:
            return cast("nn.Module", torch.compile(net, dynamic=False))
        return distributed.data_parallel(net, device)


def decide(settings: RunConfig, device: torch.device, *, steps: int) -> Computation:
    """Decide every `auto`: on a GPU all that pays, on a CPU nothing. Compiled runs do not repeat bit by bit.

    steps : of the whole run
    `RecipeError`: a setting that is on does not exist on the device, or not for several processes
    """
    on_gpu, alone = device.type == "cuda", distributed.world_size() == 1
    # torch.compile has no second derivative, and a CUDA graph of one has not been tried.
    may_speed_up = on_gpu and alone and not settings.objective.needs_input_gradient
    precision = _precision(settings, device)
    compiling_pays = may_speed_up and not settings.deterministic and steps >= COMPILE_PAYS_AFTER_STEPS
    compile_it = _is_on(settings.compile, pays=compiling_pays)
    graphs = _is_on(settings.cuda_graphs, pays=may_speed_up and precision != "float16")
    if graphs and not on_gpu:
        raise RecipeError(f'cuda_graphs = "on" needs a GPU; this run computes on {device}.')
    if graphs and precision == "float16":
        raise RecipeError('cuda_graphs = "on" is not for float16, whose scale is looked at after each step.')
    if (graphs or compile_it) and not alone:
        raise RecipeError("compile and cuda_graphs are for runs on one device.")
    return Computation(
        precision=precision,
        channels_last=_is_on(settings.channels_last, pays=on_gpu),
        compile=compile_it,
        cuda_graphs=graphs,
        deterministic=settings.deterministic,
        processes=distributed.world_size(),
    )


def _is_on(switch: Switch, *, pays: bool) -> bool:
    return pays if switch == "auto" else switch == "on"


def _precision(settings: RunSettings, device: torch.device) -> Precision:
    """bfloat16 where the GPU has it; older GPUs gain little from float16 with batches of 20."""
    if settings.precision != "auto":
        return settings.precision
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float32"


def pick_device(name: str) -> torch.device:
    """The device of this process: `auto` is a GPU, or the CPU where there is none.

    Of several processes each takes the GPU of its own number. `ModelError` if that GPU does not exist.
    """
    if name == "auto":
        return torch.device(f"cuda:{distributed.local_rank()}" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index is None or distributed.world_size() > 1):
        device = torch.device("cuda", distributed.local_rank())
    if device.type == "cuda" and device.index >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ModelError(
            f'The device {name} does not exist; this machine has {count} GPUs. Try device = "auto".'
        )
    return device


def set_determinism(settings: RunSettings, device: torch.device) -> None:
    """Set a GPU to deterministic algorithms, or to the fastest ones.

    A CPU needs no setting: it is deterministic for a fixed number of threads.
    """
    if device.type != "cuda":
        return
    # cuBLAS repeats its results only with workspaces of a fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.cuda.set_device(device)
    # Deterministic mode fills every new tensor; nothing here reads one before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(settings.deterministic)
    # Benchmarks may choose another kernel, with other rounding, in each run.
    torch.backends.cudnn.benchmark = not settings.deterministic


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last on a GPU, whose convolutions are faster with it; a CPU gains nothing."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def inference_batch_size(batch_size: int, device: torch.device) -> int:
    """Images per forward pass without training; needs no more memory than a training batch of batch_size."""
    return min(256, 16 * batch_size) if device.type == "cuda" else CPU_BATCH


def peak_memory_bytes(device: torch.device) -> int | None:
    """Largest memory that the GPU has allocated at once, in bytes; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def is_out_of_memory(error: BaseException) -> bool:
    """Said by the class of the error or in words, or by what led to the error."""
    words = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if named or (isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)):
        return True
    before = error.__cause__ or error.__context__
    return before is not None and is_out_of_memory(before)
