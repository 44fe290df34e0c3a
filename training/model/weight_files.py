"""Weights in files that other programs wrote, whatever a trainer left around or beside them.

A file holds dictionaries of tensors at any depth: weights, moving averages of weights, what an optimiser
remembers. `read_parts` gives all of them, `match` the one that is a network's, under the network's own names.
Nothing in a file is run: in place of objects of unknown classes stand objects that do nothing.
"""

import re
import warnings
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Final, Self

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from training.errors import ModelError, first_line

State = dict[str, Tensor]

OPTIMISER: Final = "optimiser/"
"""Prefix of the tensors in a checkpoint of ours that are not weights of the network."""
WRAPPERS: Final = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""What DataParallel, torch.compile and their like put into names, wherever they wrapped something."""
AVERAGED: Final = re.compile(r"(^|[._])(ema|swa|averaged?|teacher)([._]|$)")
OLD_DENSENET: Final = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d\.)")
"""torchvision's own file of DenseNet says `norm.1` where the network says `norm1`."""
DEPTH: Final = 4
"""Dictionaries in dictionaries that are looked into."""
PICKLE: Final = b"\x80"


@dataclass(frozen=True, slots=True)
class Part:
    """A dictionary of tensors in a file."""

    where: str
    """The keys that lead to it, such as `state_dict`; empty for the file itself."""
    tensors: State


@dataclass(frozen=True, slots=True)
class Match:
    """What is a network's, under its names, and perhaps a classifier under another one."""

    where: str
    """The keys and the prefix that lead to it."""
    tensors: State
    hits: int
    """Names that the network has, too."""

    @property
    def is_average(self) -> bool:
        """Called a moving average of the weights."""
        return AVERAGED.search(self.where) is not None


def read_parts(path: Path) -> list[Part]:
    """Every dictionary of tensors in a .safetensors file, or in one that torch.save wrote.

    `ModelError`: no such file, one that cannot be read without running code from it, one without tensors.
    """
    if not path.is_file():
        raise ModelError(f"The weights file {path} does not exist.")
    found = list(_parts(_opened(path), ""))
    if not found:
        raise ModelError(
            f"The weights file {path} holds no tensors with names; save `model.state_dict()` in it."
        )
    return found


def match(parts: Sequence[Part], wanted: Collection[str], *, source: str) -> Match:
    """The part, and the prefix in it, whose names agree best with the network's.

    Weights are taken before a moving average of them.

    wanted : names of the network's tensors
    `ModelError`: none of the names agrees, or several networks do equally well
    """
    found = [one for part in parts for one in _matches(part, wanted)]
    if not found:
        have = [name for part in parts for name in part.tensors]
        raise ModelError(f"{source} does not fit the architecture: {both_sides(have, list(wanted))}.")
    best = max(found, key=_rank)
    equals = [one for one in found if _rank(one) == _rank(best) and not _are_equal(one, best)]
    if equals and 2 * best.hits > len(wanted):
        names = ", ".join(one.where or "the file itself" for one in (best, *equals))
        raise ModelError(f"{source} holds several networks ({names}); save the one that is meant alone.")
    return best


def both_sides(have: Sequence[str], wanted: Sequence[str], *, named: int = 3) -> str:
    """The first names of a file and of a network, for whoever has to tell them apart."""
    return f"it has {first_names(have, named)}; {first_names(wanted, named)} are wanted"


def first_names(names: Sequence[str], count: int = 3) -> str:
    """The first few of many names."""
    return ", ".join([*names[:count], *(["…"] if len(names) > count else [])]) or "nothing"


class StandIn:
    """In place of an object beside the weights: takes whatever it is given, does nothing with it."""

    def __new__(cls, *_args: object, **_named: object) -> Self:
        return super().__new__(cls)

    def __init__(self, *_args: object, **_named: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


class DictionaryStandIn:
    """The same for classes that are dictionaries: torch fills nothing but a plain one."""

    def __new__(cls, *_args: object) -> OrderedDict[Any, Any]:  # type: ignore[misc]
        return OrderedDict()


def _opened(path: Path) -> Any:
    try:
        return load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except UnpicklingError:
        raise ModelError(_why_not_unpickled(path)) from None
    except Exception as error:  # noqa: BLE001 - a damaged file makes either library raise anything
        raise ModelError(f"The weights file {path} cannot be read: {first_line(error)}.") from None


def _unpickled(path: Path) -> Any:
    """torch's own reader for weights alone, which runs nothing; unknown classes are known to it as ours."""
    unknown = _unknown_classes(path)
    try:
        return _load(path, dict.fromkeys(unknown, StandIn))
    except UnpicklingError:
        if not unknown:
            raise
        kinds = {name: StandIn if name.startswith("numpy.") else DictionaryStandIn for name in unknown}
        return _load(path, kinds)


def _load(path: Path, stand_ins: Mapping[str, type[object]]) -> Any:
    known: list[Any] = [(kind, name) for name, kind in stand_ins.items()]
    with warnings.catch_warnings(), safe_globals(known):
        warnings.simplefilter("ignore")  # of torch, about versions of its format
        return torch.load(path, map_location="cpu", weights_only=True)


def _unknown_classes(path: Path) -> list[str]:
    """Classes in the file that torch does not know as harmless; files of before torch 1.6 give no list."""
    return get_unsafe_globals_in_checkpoint(path) if zipfile.is_zipfile(path) else []


def _why_not_unpickled(path: Path) -> str:
    with path.open("rb") as stream:
        is_pickle = zipfile.is_zipfile(path) or stream.read(1) == PICKLE
    if not is_pickle:
        return f"The weights file {path} is none that torch.save or safetensors wrote."
    return (
        f"The weights file {path} holds objects that cannot be read without running code from it, which is "
        "never done; save the weights alone: torch.save(model.state_dict(), …)."
    )


def _parts(loaded: Any, where: str, depth: int = 0) -> Iterator[Part]:
    if not isinstance(loaded, Mapping) or depth > DEPTH:
        return
    tensors = {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    own = {_plain(key): value for key, value in tensors.items() if not key.startswith(OPTIMISER)}
    if own:
        yield Part(where, own)
    for key, value in loaded.items():
        yield from _parts(value, f"{where}.{key}" if where else str(key), depth + 1)


def _plain(name: str) -> str:
    words = [word for word in name.split(".") if word not in WRAPPERS]
    return OLD_DENSENET.sub(r"\1\2", ".".join(words))


def _matches(part: Part, wanted: Collection[str]) -> Iterator[Match]:
    """The part with each prefix cut off that leaves names of the network."""
    for prefix, hits in _prefixes(part.tensors, wanted).items():
        own = {
            name.removeprefix(prefix): value
            for name, value in part.tensors.items()
            if name.startswith(prefix)
        }
        where = ".".join(filter(None, (part.where, prefix.rstrip("."))))
        yield Match(where, own, hits)


def _prefixes(names: Collection[str], wanted: Collection[str]) -> Counter[str]:
    """How many names are the network's once so much is cut off in front."""
    hits: Counter[str] = Counter()
    for name in names:
        words = name.split(".")
        for cut in range(len(words)):
            if ".".join(words[cut:]) in wanted:
                hits["".join(f"{word}." for word in words[:cut])] += 1
    return hits


def _rank(one: Match) -> tuple[int, bool]:
    return one.hits, not one.is_average


def _are_equal(one: Match, other: Match) -> bool:
    return one.tensors.keys() == other.tensors.keys() and all(
        torch.equal(value, other.tensors[name]) for name, value in one.tensors.items()
    )
