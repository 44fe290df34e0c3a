"""Initial weights: none, timm's pretrained ones, a file, or the checkpoint of a run."""

import hashlib
import os
import socket
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor, nn

from training.config import is_file, plain_name
from training.errors import ModelError, first_line
from training.files import read_json
from training.model.attention import ATTENTION
from training.model.backbones import OWN, Backbone, require_known
from training.model.network_input import Input, Scale
from training.model.weight_files import Match, Part, State, both_sides, first_names, match, read_parts

Classifier = Literal["random", "loaded"]

HEADS: Final = ("last_linear", "last_linear.1", "fc", "fc.1", "classifier", "classifier.1", "head.fc", "head")
"""What the classifier is called in files from elsewhere; `.1` follows a dropout."""
IN_FOLDER: Final = ("checkpoints/best.safetensors", "model.safetensors", "pytorch_model.bin")
"""Weights in the folder of a run, of an export, and of what hubs hand out."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a network began with, as run.json has it."""

    weights: str
    """`random`, the name of pretrained weights, or a path."""
    where: str = ""
    """Keys and prefix that led to them in their file."""
    sha256: str = ""
    """Of the file; empty without one."""
    classifier: Classifier = "random"


RANDOM: Final = Start("random")


def initialise(backbone: Backbone, *, architecture: str, weights: str) -> Start:
    """Fill the network from `none`, `timm`, `timm:TAG`, a file of weights, or a folder that holds one.

    A classifier for another number of classes keeps its random weights, and so does an attention map that the
    file does not have; anything else that does not fit is refused. Parts that the network does not have are
    left out, such as Inception's second classifier.
    """
    if weights == "none":
        return RANDOM
    if not is_file(weights):
        name = pretrained_name(architecture, weights)
        found = fill(backbone, [Part("", _pretrained(name))], source=f"The weights {name} of timm")
        return Start(name, classifier=found[1])
    path = weights_path(Path(weights))
    best, classifier = fill(backbone, read_parts(path), source=f"The weights file {path}")
    return Start(weights, best.where, hashlib.sha256(path.read_bytes()).hexdigest(), classifier)


def require_weights(architecture: str, weights: str) -> None:
    """`ModelError` if these weights cannot be had: cheap, and without opening them."""
    if weights == "none":
        return
    if not is_file(weights):
        _require_pretrained(pretrained_name(architecture, weights))
    elif not weights_path(Path(weights)).is_file():
        raise ModelError(f"The weights file {weights_path(Path(weights))} does not exist.")


def weights_path(path: Path) -> Path:
    """The file itself, or the one of a folder: of a run that is its chosen epoch."""
    if not path.is_dir():
        return path
    inside = [path / name for name in IN_FOLDER]
    return next((file for file in inside if file.is_file()), inside[0])


def pretrained_name(architecture: str, weights: str) -> str:
    """timm's name of `timm` or `timm:TAG`, such as `resnet50.tv_in1k`; its first choice without a tag."""
    name = plain_name(architecture)
    tag = weights.removeprefix("timm").removeprefix(":")
    if architecture in OWN:
        raise ModelError(f'{architecture} has no pretrained weights; set weights = "none".')
    wanted = f"{name}.{tag}" if tag else architecture
    require_known(wanted)
    import timm

    config = timm.get_pretrained_cfg(wanted)
    if config is None or not (config.hf_hub_id or config.url or config.file):
        raise ModelError(f'timm has no pretrained weights for {name}; set weights = "none" or give a file.')
    return f"{name}.{config.tag}" if config.tag else name


def recorded_scale(weights: str) -> Scale | None:
    """The scale of pixels that the folder of a run or of an export says its weights take; None elsewhere."""
    folder = Path(weights)
    for name in ("run.json", "card.json"):
        if is_file(weights) and (folder / name).is_file():
            return Input.of_record(read_json(folder / name)["input"]).scale
    return None


def fill(backbone: Backbone, parts: list[Part], *, source: str) -> tuple[Match, Classifier]:
    """Give the network the tensors that are its own; what they were, and whether the classifier was there.

    `ModelError`: a tensor is missing or of another shape, the classifier and what is optional apart; or the
    file goes on where the network ends.
    """
    net, wanted = backbone.net, backbone.net.state_dict()
    head = {name for name, one in net.named_parameters() if any(one is p for p in backbone.head.parameters())}
    best = match(parts, wanted.keys(), source=source)
    state = _with_our_head(best.tensors, head)
    fitting = {
        name: value.reshape(wanted[name].shape) for name, value in state.items() if _fits(name, value, wanted)
    }
    misfits = sorted(wanted.keys() - fitting.keys() - head - _optional(wanted))
    if misfits:
        raise ModelError(f"{source} does not fit the architecture: {_why_not(misfits, state, wanted)}.")
    if beyond := _beyond(state, wanted, head):
        raise ModelError(f"{source} is of a larger network: it goes on with {first_names(beyond)}.")
    net.load_state_dict(fitting, strict=False)
    return best, "loaded" if head <= fitting.keys() else "random"


def _fits(name: str, value: Tensor, wanted: State) -> bool:
    """The same shape, or the same but for ones behind it: 1 × 1 convolutions were matrices once."""
    if name not in wanted:
        return False
    long, short = sorted((tuple(value.shape), tuple(wanted[name].shape)), key=len, reverse=True)
    return long[: len(short)] == short and all(size == 1 for size in long[len(short) :])


def _optional(wanted: Collection[str]) -> set[str]:
    return {
        name for name in wanted if name.endswith("num_batches_tracked") or name.startswith(f"{ATTENTION}.")
    }


def _beyond(state: Collection[str], wanted: Collection[str], head: set[str]) -> list[str]:
    """Tensors of parts that the network has, too: a ResNet-101's stages go on where a ResNet-50's end."""
    own = {name.partition(".")[0] for name in wanted}
    heads = tuple(f"{name.rpartition('.')[0]}." for name in head)
    extra = [name for name in state if name not in wanted and name.partition(".")[0] in own]
    return [name for name in extra if not name.startswith(heads) and not name.endswith("num_batches_tracked")]


def _why_not(misfits: list[str], state: State, wanted: State) -> str:
    """How many tensors do not fit, and the first of either kind."""
    said = f"{len(misfits)} of {len(wanted)} tensors are missing or have another shape"
    missing = [name for name in misfits if name not in state]
    if missing:
        known = set(state) & set(wanted)
        return f"{said}; beside what agrees {both_sides([n for n in state if n not in known], missing)}"
    name = misfits[0]
    return f"{said}; {name} has {tuple(state[name].shape)}, wanted is {tuple(wanted[name].shape)}"


def _with_our_head(state: State, head: set[str]) -> State:
    """The classifier under the name that it has here: Xception's is `last_linear` in the authors' files."""
    ours = {name.rpartition(".")[2]: name for name in head}
    renamed = dict(state)
    for name in HEADS:
        for part, own in ours.items():
            if own not in state and f"{name}.{part}" in state:
                renamed.setdefault(own, renamed.pop(f"{name}.{part}"))
    return renamed


def _pretrained(name: str) -> State:
    _require_pretrained(name)
    import timm

    try:
        net: nn.Module = timm.create_model(name, pretrained=True)
    except Exception as error:  # noqa: BLE001 - each download library raises its own
        raise ModelError(_unreachable(name, first_line(error))) from None
    return net.state_dict()


def _require_pretrained(name: str) -> None:
    """Without a name server the download library would retry for most of a minute before it says so."""
    import timm

    config = timm.get_pretrained_cfg(name)
    if _is_cached(config) or getproxies():
        return
    host = _host(config)
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        raise ModelError(_unreachable(name, f"{host} cannot be reached")) from None


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


def _unreachable(name: str, reason: str) -> str:
    return (
        f"The pretrained weights {name} cannot be fetched ({reason}); "
        'give a weights file, or set weights = "none".'
    )
