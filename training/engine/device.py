"""Where a run computes, how exactly, and with which of the things that make a GPU faster."""

import os
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, cast

import torch
from torch import nn

from training.config import RunSettings, Switch
from training.engine import distributed
from training.errors import ModelError, RecipeError

Precision = Literal["float32", "bfloat16", "float16"]
DTYPES: Final[dict[Precision, torch.dtype]] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}

CPU_BATCH: Final = 64
"""Images at once on a CPU: more are not faster."""

COMPILE_PAYS_AFTER_STEPS: Final = 40_000
"""Compiling ResNet-50 took a minute on an H200 and saved 1.5 ms of a step: a short run loses."""


@dataclass(frozen=True, slots=True)
class Computation:
    """How a run computes, once every `auto` is decided; goes into run.json."""

    precision: Precision
    channels_last: bool
    compile: bool
    cuda_graphs: bool
    deterministic: bool
    processes: int

    def as_record(self) -> dict[str, Any]:
        return asdict(self)

    def autocast(self, device: torch.device) -> AbstractContextManager[None]:
        """Mixed precision for the network; what follows it computes its losses in float32."""
        return torch.autocast(device.type, dtype=DTYPES[self.precision], enabled=self.precision != "float32")

    def scaler(self, device: torch.device) -> torch.amp.GradScaler:
        """Keeps small gradients from vanishing in float16; does nothing otherwise."""
        return torch.amp.GradScaler(device.type, enabled=self.precision == "float16")

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def prepare(self, net: nn.Module, device: torch.device) -> nn.Module:
        """The network as it is called in training: shared by processes, or compiled."""
        if self.compile:
            return cast("nn.Module", torch.compile(net, dynamic=False))
        return distributed.data_parallel(net, device)


def decide(settings: RunSettings, device: torch.device, *, steps: int) -> Computation:
    """Decide every `auto`: on a GPU whatever pays, compiling only if bits need not repeat; on a CPU nothing.

    steps : of the whole run
    `RecipeError`: what is asked for does not exist on the device, or not for several processes.
    """
    on_gpu, alone = device.type == "cuda", distributed.world_size() == 1
    precision = _precision(settings, device)
    worth_it = on_gpu and alone and not settings.deterministic and steps >= COMPILE_PAYS_AFTER_STEPS
    compile_it = _is_on(settings.compile, pays=worth_it)
    graphs = _is_on(settings.cuda_graphs, pays=on_gpu and alone and precision != "float16")
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
    """bfloat16 where the GPU computes in it; older ones gain little from float16 at batches of 20."""
    if settings.precision != "auto":
        return settings.precision
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float32"


def pick_device(name: str) -> torch.device:
    """`auto` is the first GPU, or the CPU where there is none; a GPU that is asked for must exist.

    Of several processes each takes the GPU of its own number.
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
    """Ask a GPU for the same result each time, or for speed.

    What a CPU does here is the same each time for one number of threads; asking would only cost seconds.
    """
    if device.type != "cuda":
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.cuda.set_device(device)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(settings.deterministic)
    torch.backends.cudnn.benchmark = not settings.deterministic


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last suits the convolutions of a GPU; a CPU gains nothing."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def inference_batch_size(batch_size: int, device: torch.device) -> int:
    """Images to let through at once when nothing is learned, in memory that learning from a batch takes."""
    return min(256, 16 * batch_size) if device.type == "cuda" else CPU_BATCH


def peak_memory_bytes(device: torch.device) -> int | None:
    """Most memory that the GPU has held at once; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def is_out_of_memory(error: BaseException) -> bool:
    """Said by the class of the error or in words, or by what led to the error."""
    words = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if named or (isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)):
        return True
    before = error.__cause__ or error.__context__
    return before is not None and is_out_of_memory(before)
