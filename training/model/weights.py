"""Load the initial weights of a network: random, timm's, a package's, a file, or a run's checkpoint."""

import hashlib
import os
import socket
import sys
from collections.abc import Collection
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor, nn

from training.config import PACKAGE, is_file, plain_name
from training.errors import ModelError, first_line
from training.files import read_json
from training.model.attention import ATTENTION
from training.model.backbones import OWN_ARCHITECTURES, Backbone, require_known
from training.model.network_input import NetworkInput, PixelScale
from training.model.packaged_weights import COUNTER, installed_file, packaged_tensors, weight_package
from training.model.weight_files import (
    State,
    StateDict,
    StateDictMatch,
    best_match,
    compare_names,
    first_names,
    read_state_dicts,
)

Classifier = Literal["random", "loaded"]

HEADS: Final = ("last_linear", "last_linear.1", "fc", "fc.1", "classifier", "classifier.1", "head.fc", "head")
"""Names of the classifier in files of other programs; `.1` where a dropout comes first."""
IN_FOLDER: Final = ("checkpoints/best.safetensors", "model.safetensors", "pytorch_model.bin")
"""Files with weights in the folder of a run, of an export, and of a download from a hub."""


@dataclass(frozen=True, slots=True)
class InitialWeights:
    """The weights before training, as `start` in run.json has them."""

    weights: str
    """`random`, the name of pretrained weights, or a path."""
    where: str = ""
    """Keys and prefix of the state dict in its file."""
    sha256: str = ""
    """Of the file; empty without one."""
    classifier: Classifier = "random"
    licence: str = ""
    """Of pretrained weights, as timm or the package has it; empty where nobody says."""
    pretraining: dict[str, Any] = field(default_factory=dict)
    """The record of the stage that changed the trunk before training; empty without one."""


RANDOM: Final = InitialWeights("random")


def initialise(backbone: Backbone, *, architecture: str, weights: str) -> InitialWeights:
    """Load `none`, `timm`, `timm:TAG`, `package`, a file, or the file in a folder, into the network.

    A classifier for another number of classes keeps its random weights, and so does an attention layer that
    the file lacks. Tensors of other parts than the network has, such as Inception's second classifier, are
    ignored.

    `ModelError`: the weights cannot be had, or do not fit
    """
    if weights == "none":
        return RANDOM
    if weights == PACKAGE:
        return _load_package(backbone, architecture)
    if not is_file(weights):
        name = pretrained_name(architecture, weights)
        _, classifier = _load_or_convert(
            backbone, [StateDict("", _pretrained(name))], source=f"The weights {name} of timm"
        )
        return InitialWeights(name, classifier=classifier, licence=_licence(name))
    path = weights_path(Path(weights))
    best, classifier = _load_or_convert(backbone, read_state_dicts(path), source=f"The weights file {path}")
    return InitialWeights(weights, best.where, hashlib.sha256(path.read_bytes()).hexdigest(), classifier)


def _load_package(backbone: Backbone, architecture: str) -> InitialWeights:
    package = weight_package(architecture)
    path = installed_file(package)
    tensors = backbone.net.state_dict()
    wanted = {name: value for name, value in tensors.items() if name not in _optional(tensors)}
    source = f"The weights of the package {package.name}"
    _, classifier = load_into(backbone, [StateDict("", packaged_tensors(path, wanted))], source=source)
    return InitialWeights(package.name, sha256=package.sha256, classifier=classifier, licence=package.licence)


def _load_or_convert(
    backbone: Backbone, parts: list[StateDict], *, source: str
) -> tuple[StateDictMatch, Classifier]:
    """`load_into`, and once more after timm's conversion of other programs' files where that fails."""
    try:
        return load_into(backbone, parts, source=source)
    except ModelError:
        converted = [part for part in map(partial(_as_timm_has_it, backbone.net), parts) if part.tensors]
        if not converted:
            raise
        return load_into(backbone, converted, source=source)


def _as_timm_has_it(net: nn.Module, part: StateDict) -> StateDict:
    """A state dict with timm's names and for the network's size; empty if timm cannot convert it.

    timm knows the files of the authors of many vision transformers, such as DINOv2, DINOv3 and CLIP, and
    resizes embeddings of positions.
    """
    convert = getattr(sys.modules[type(net).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return StateDict(part.where, {})
    try:
        with redirect_stdout(StringIO()):  # some conversions print
            return StateDict(part.where, dict(convert(dict(part.tensors), net)))
    except Exception:  # noqa: BLE001 - a conversion raises whatever a missing name happens to cause
        return StateDict(part.where, {})


def require_weights(architecture: str, weights: str) -> None:
    """`ModelError` if these weights cannot be had; checks the name or the path only, without reading."""
    if weights == "none":
        return
    if weights == PACKAGE:
        installed_file(weight_package(architecture))
    elif not is_file(weights):
        _require_pretrained(pretrained_name(architecture, weights))
    elif not weights_path(Path(weights)).is_file():
        raise ModelError(f"The weights file {weights_path(Path(weights))} does not exist.")


def weights_path(path: Path) -> Path:
    """The path itself, or the weights file in a folder; of a run, those of its chosen epoch."""
    if not path.is_dir():
        return path
    inside = [path / name for name in IN_FOLDER]
    return next((file for file in inside if file.is_file()), inside[0])


def pretrained_name(architecture: str, weights: str) -> str:
    """timm's name of the weights, such as `resnet50.tv_in1k`; without a tag, timm's default."""
    name = plain_name(architecture)
    tag = weights.removeprefix("timm").removeprefix(":")
    if architecture in OWN_ARCHITECTURES:
        raise ModelError(f'{architecture} has no pretrained weights; set weights = "none".')
    wanted = f"{name}.{tag}" if tag else architecture
    require_known(wanted)
    import timm

    config = timm.get_pretrained_cfg(wanted)
    if config is None or not (config.hf_hub_id or config.url or config.file):
        raise ModelError(f'timm has no pretrained weights for {name}; set weights = "none" or give a file.')
    return f"{name}.{config.tag}" if config.tag else name


def _licence(name: str) -> str:
    import timm

    config = timm.get_pretrained_cfg(name)
    return (config and config.license) or ""


def recorded_scale(weights: str) -> PixelScale | None:
    """The scale of pixels in the record of a run or an export folder; None for other weights."""
    folder = Path(weights)
    for name in ("run.json", "card.json"):
        if is_file(weights) and (folder / name).is_file():
            return NetworkInput.of_record(read_json(folder / name)["input"]).scale
    return None


def load_into(
    backbone: Backbone, parts: list[StateDict], *, source: str
) -> tuple[StateDictMatch, Classifier]:
    """Load the best matching state dict; returns it, and whether the classifier was in it.

    `ModelError`: a tensor other than the classifier or an optional one is missing or of another shape, or the
    file is of a larger network
    """
    net, wanted = backbone.net, backbone.net.state_dict()
    head = {
        name
        for name, parameter in net.named_parameters()
        if any(parameter is head_parameter for head_parameter in backbone.head.parameters())
    }
    best = best_match(parts, wanted.keys(), source=source)
    state = _rename_classifier(best.tensors, head)
    fitting = {
        name: value.reshape(wanted[name].shape) for name, value in state.items() if _fits(name, value, wanted)
    }
    misfits = sorted(wanted.keys() - fitting.keys() - head - _optional(wanted))
    if misfits:
        raise ModelError(
            f"{source} does not fit the architecture: {_describe_misfits(misfits, state, wanted)}."
        )
    if beyond := _extra_tensors(state, wanted, head):
        raise ModelError(f"{source} is of a larger network: it goes on with {first_names(beyond)}.")
    net.load_state_dict(fitting, strict=False)
    return best, "loaded" if head <= fitting.keys() else "random"


def _fits(name: str, value: Tensor, wanted: State) -> bool:
    """Whether the shapes agree, but for trailing ones: older files have matrices for 1 × 1 convolutions."""
    if name not in wanted:
        return False
    long, short = sorted((tuple(value.shape), tuple(wanted[name].shape)), key=len, reverse=True)
    return long[: len(short)] == short and all(size == 1 for size in long[len(short) :])


def _optional(wanted: Collection[str]) -> set[str]:
    """Tensors that a file may lack: counters of batch normalisation, and the attention layer."""
    return {name for name in wanted if name.endswith(COUNTER) or name.startswith(f"{ATTENTION}.")}


def _extra_tensors(state: Collection[str], wanted: Collection[str], head: set[str]) -> list[str]:
    """Tensors that the network lacks within its own parts, such as the later blocks of a ResNet-101."""
    network_parts = {name.partition(".")[0] for name in wanted}
    heads = tuple(f"{name.rpartition('.')[0]}." for name in head)
    extra = [name for name in state if name not in wanted and name.partition(".")[0] in network_parts]
    return [name for name in extra if not name.startswith(heads) and not name.endswith(COUNTER)]


def _describe_misfits(misfits: list[str], state: State, wanted: State) -> str:
    """How many tensors do not fit, and examples."""
    summary = f"{len(misfits)} of {len(wanted)} tensors are missing or have another shape"
    missing = [name for name in misfits if name not in state]
    if missing:
        known = set(state) & set(wanted)
        return f"{summary}; beside what agrees {compare_names([n for n in state if n not in known], missing)}"
    name = misfits[0]
    return f"{summary}; {name} has {tuple(state[name].shape)}, wanted is {tuple(wanted[name].shape)}"


def _rename_classifier(state: State, head: set[str]) -> State:
    """The classifier under the network's name for it: the authors' Xception calls it `last_linear`."""
    ours = {name.rpartition(".")[2]: name for name in head}
    renamed = dict(state)
    for name in HEADS:
        for part, network_name in ours.items():
            if network_name not in state and f"{name}.{part}" in state:
                renamed.setdefault(network_name, renamed.pop(f"{name}.{part}"))
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
    """`ModelError` if the weights are neither cached nor can be downloaded."""
    # Asked first, because without a name server the download library retries for most of a minute.
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
