"""Initial weights: none, timm's pretrained ones, a file, or the checkpoint of a run."""

import os
import socket
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from training.backbones import ATTENTION, OWN, Backbone
from training.errors import ModelError

State = dict[str, Tensor]
HEADS: Final = ("last_linear", "last_linear.1", "fc", "fc.1", "classifier", "classifier.1", "head.fc", "head")
"""What the classifier is called in files from elsewhere; `.1` follows a dropout."""
OPTIMISER: Final = "optimiser/"
"""Prefix of the tensors in a checkpoint that are not weights of the network."""


def initialise(backbone: Backbone, *, architecture: str, weights: str) -> None:
    """Fill the network from `none`, `timm`, a .safetensors or .pth state dictionary, or the folder of a run.

    A classifier for another number of classes keeps its random weights, and so does an attention map that the
    file does not have; anything else that does not fit is refused.
    """
    if weights == "none":
        return
    state = _pretrained(architecture) if weights == "timm" else read_state(_file(Path(weights)))
    _fill(backbone, state, source=f"{architecture}'s pretrained weights" if weights == "timm" else weights)


def require_weights(architecture: str, weights: str) -> None:
    """`ModelError` if these weights cannot be had: cheap, and without opening them."""
    if weights == "timm":
        _require_pretrained(architecture)
    elif weights != "none" and not _file(Path(weights)).is_file():
        raise ModelError(f"The weights file {_file(Path(weights))} does not exist.")


def _file(path: Path) -> Path:
    """Of a run folder its chosen epoch."""
    return path / "checkpoints" / "best.safetensors" if path.is_dir() else path


def read_state(path: Path) -> State:
    """Weights of a file, without the wrappings that trainers leave around them."""
    if not path.is_file():
        raise ModelError(f"The weights file {path} does not exist.")
    try:
        loaded = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu")
    except (OSError, RuntimeError, SafetensorError, EOFError, ValueError, ImportError) as error:
        raise ModelError(f"The weights file {path} cannot be read: {_first_line(error)}.") from None
    except Exception as error:  # noqa: BLE001 - unpickling garbage raises anything
        raise ModelError(f"The weights file {path} is no state dictionary: {_first_line(error)}.") from None
    return _unwrap(loaded, path)


def _unwrap(loaded: Any, path: Path) -> State:
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(key), dict):
            loaded = loaded[key]
    if not isinstance(loaded, dict) or not any(isinstance(value, Tensor) for value in loaded.values()):
        raise ModelError(f"The weights file {path} holds no state dictionary.")
    tensors = {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    return {_bare(key): value for key, value in tensors.items() if not key.startswith(OPTIMISER)}


def _bare(key: str) -> str:
    """DataParallel, torch.compile and Lightning each put a word in front."""
    for prefix in ("module.", "_orig_mod.", "net.", "model."):
        key = key.removeprefix(prefix)
    return key


def _fill(backbone: Backbone, state: State, *, source: str) -> None:
    net = backbone.net
    wanted = net.state_dict()
    head = {
        name
        for name, tensor in net.named_parameters()
        if any(tensor is p for p in backbone.head.parameters())
    }
    state = _with_our_head(state, head)
    fitting = {
        key: value for key, value in state.items() if key in wanted and value.shape == wanted[key].shape
    }
    optional = {
        key for key in wanted if key.endswith("num_batches_tracked") or key.startswith(f"{ATTENTION}.")
    }
    missing = wanted.keys() - fitting.keys() - head - optional
    if missing:
        raise ModelError(
            f"{source} does not fit the architecture: {len(missing)} of {len(wanted)} tensors are missing "
            f"or have another shape, {min(missing)} among them."
        )
    net.load_state_dict(fitting, strict=False)


def _with_our_head(state: State, head: set[str]) -> State:
    """The classifier under the name that it has here: Xception's is `last_linear` in the authors' files."""
    ours = {name.rpartition(".")[2]: name for name in head}
    renamed = dict(state)
    for name in HEADS:
        for part, own in ours.items():
            if own not in state and f"{name}.{part}" in state:
                renamed.setdefault(own, renamed.pop(f"{name}.{part}"))
    return renamed


def _pretrained(architecture: str) -> State:
    _require_pretrained(architecture)
    import timm

    try:
        net: nn.Module = timm.create_model(architecture, pretrained=True)
    except Exception as error:  # noqa: BLE001 - each download library raises its own
        raise ModelError(_unreachable(architecture, _first_line(error))) from None
    return net.state_dict()


def _require_pretrained(architecture: str) -> None:
    """Without a name server the download library would retry for most of a minute before it says so."""
    if architecture in OWN:
        raise ModelError(f'{architecture} has no pretrained weights; set weights = "none".')
    import timm

    config = timm.get_pretrained_cfg(architecture)
    if config is None or not (config.hf_hub_id or config.url or config.file):
        raise ModelError(
            f'timm has no pretrained weights for {architecture}; set weights = "none" or give a file.'
        )
    if _is_cached(config) or getproxies():
        return
    host = _host(config)
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        raise ModelError(_unreachable(architecture, f"{host} cannot be reached")) from None


def _host(config: Any) -> str:
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    return urlsplit(hub if config.hf_hub_id else str(config.url)).hostname or ""


def _is_cached(config: Any) -> bool:
    from huggingface_hub import try_to_load_from_cache

    if not config.hf_hub_id:
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(config.url or "").path).name
        return file.is_file()
    names = ("model.safetensors", "pytorch_model.bin")
    return any(isinstance(try_to_load_from_cache(config.hf_hub_id, name), str) for name in names)


def _unreachable(architecture: str, reason: str) -> str:
    return (
        f"The pretrained weights of {architecture} cannot be fetched ({reason}); "
        'give a weights file, or set weights = "none".'
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
