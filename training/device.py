"""Where a run computes, and how exactly."""

import os
from contextlib import AbstractContextManager

import torch

from training.config import RunSettings
from training.errors import ModelError


def pick_device(name: str) -> torch.device:
    """`auto` is the first GPU, or the CPU where there is none; a GPU that is asked for must exist."""
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise ModelError(
            f'The device {name} does not exist; this machine has {count} GPUs. Try device = "auto".'
        )
    return device


def make_repeatable(settings: RunSettings, device: torch.device) -> None:
    """Ask a GPU for the same result each time, or for speed.

    What a CPU does here is the same each time for one number of threads; asking would only cost seconds.
    """
    if device.type != "cuda":
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.use_deterministic_algorithms(settings.deterministic)
    torch.backends.cudnn.benchmark = not settings.deterministic


def autocast(settings: RunSettings, device: torch.device) -> AbstractContextManager[None]:
    """Mixed precision where it pays: on a GPU, unless every bit is to be repeatable elsewhere too."""
    wanted = settings.precision == "bfloat16"
    if settings.precision == "auto":
        wanted = device.type == "cuda" and not settings.deterministic
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last suits the convolutions of a GPU; a CPU gains nothing."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def peak_memory_bytes(device: torch.device) -> int | None:
    """Most memory that the GPU has held at once; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def is_out_of_memory(error: BaseException) -> bool:
    """A GPU says so by the class of its error, a CPU only in words."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    named = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return named or (isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words))
