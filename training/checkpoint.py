"""Checkpoints: one safetensors file each, so that weights and optimiser state can never be of two epochs."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from training.errors import RunError
from training.folder import write_bytes
from training.optimiser import Descent
from training.weights import OPTIMISER


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    epoch: int = 0
    """The last complete epoch; 0 before the first."""
    best_epoch: int = 0
    best_accuracy: float = -1.0


def save_checkpoint(
    path: Path, net: nn.Module, progress: Progress, *, optimiser: Descent | None = None
) -> None:
    """Write weights, progress and, if given, the optimiser's momentum, in one move."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    if optimiser is not None:
        tensors |= _momentum(optimiser)
    write_bytes(path, save(tensors, metadata={"progress": json.dumps(asdict(progress))}))


def load_checkpoint(path: Path, net: nn.Module, *, optimiser: Descent | None = None) -> Progress:
    """Fill the network, and the optimiser if given, from a checkpoint."""
    try:
        with safe_open(path, framework="pt") as file:
            progress = Progress(**json.loads((file.metadata() or {})["progress"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"The checkpoint {path} cannot be read: {error}.") from None
    weights = {name: value for name, value in tensors.items() if not name.startswith(OPTIMISER)}
    try:
        net.load_state_dict(weights)
    except RuntimeError:
        raise RunError(f"The checkpoint {path} is of another network.") from None
    if optimiser is not None:
        _restore_momentum(optimiser, tensors)
    return progress


def _momentum(optimiser: Descent) -> dict[str, Tensor]:
    buffers = {f"{OPTIMISER}{name}": buffer for name, buffer in optimiser.momentum.items()}
    return {name: b.detach().cpu().contiguous() for name, b in buffers.items() if b is not None}


def _restore_momentum(optimiser: Descent, tensors: dict[str, Tensor]) -> None:
    for name, parameter in optimiser.parameters.items():
        buffer = tensors.get(f"{OPTIMISER}{name}")
        optimiser.momentum[name] = None if buffer is None else buffer.to(parameter)
