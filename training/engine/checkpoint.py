"""Write and read checkpoints: weights, optimiser state and progress in one safetensors file."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from training.engine.optimiser import Optimiser
from training.errors import RunError
from training.files import write_bytes
from training.model.weight_files import OPTIMISER


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """How far a run is, in a checkpoint's metadata."""

    epoch: int = 0
    """The last complete epoch; 0 before the first."""
    best_epoch: int = 0
    best_accuracy: float = -1.0
    scaler: dict[str, float] = field(default_factory=dict)
    """State of the gradient scaler; empty unless the run computes in float16."""
    alpha: list[float] = field(default_factory=list)
    """State of the share of the cross-entropy; empty unless it changes."""


def save_checkpoint(
    path: Path,
    net: nn.Module,
    progress: TrainingProgress,
    *,
    optimiser: Optimiser | None = None,
    trained_only: bool = False,
) -> None:
    """Write weights, progress and, if given, the optimiser's state.

    One file, written in one move, so that weights and optimiser are always of the same epoch.

    trained_only : leave out the frozen weights, and every buffer
    """
    trained = {name: value for name, value in net.named_parameters() if value.requires_grad}
    tensors: dict[str, Tensor] = {**(trained if trained_only else net.state_dict())}
    if optimiser is not None:
        tensors |= {f"{OPTIMISER}{name}": value for name, value in optimiser.state_dict().items()}
    # safetensors stores contiguous tensors only; on a GPU weights are channels last.
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_bytes(path, save(tensors, metadata={"progress": json.dumps(asdict(progress))}))


def load_checkpoint(
    path: Path, net: nn.Module, *, optimiser: Optimiser | None = None, trained_only: bool = False
) -> TrainingProgress:
    """Load the weights into the network, and the state into the optimiser if given.

    trained_only : the file may lack frozen weights and buffers
    `RunError`: the file cannot be read, or is of another network
    """
    try:
        with safe_open(path, framework="pt") as file:
            progress = TrainingProgress(**json.loads((file.metadata() or {})["progress"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"The checkpoint {path} cannot be read: {error}.") from None
    weights = {name: value for name, value in tensors.items() if not name.startswith(OPTIMISER)}
    if weights.keys() < net.state_dict().keys() and not trained_only:
        raise RunError(f"The checkpoint {path} holds the classifier alone until the run has finished.")
    try:
        net.load_state_dict((net.state_dict() if trained_only else {}) | weights)
    except RuntimeError:
        raise RunError(f"The checkpoint {path} is of another network.") from None
    if optimiser is not None:
        state = tensors.keys() - weights.keys()
        optimiser.load_state_dict({name.removeprefix(OPTIMISER): tensors[name] for name in state})
    return progress
