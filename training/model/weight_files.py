"""Read weights from files that other programs wrote: find the network's state dict among everything else.

A checkpoint may hold state dicts at any depth: weights, moving averages of weights, an optimiser's state.
`read_state_dicts` returns all of them; `best_match` returns the network's, under the network's own names.
No code in a file is run: objects of unknown classes are replaced by ones that do nothing.
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
"""Prefix of the optimiser's tensors in checkpoints of this package."""
WRAPPERS: Final = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of names that DataParallel, torch.compile and other wrappers of modules add."""
AVERAGED: Final = re.compile(r"(^|[._])(ema|swa|averaged?|teacher)([._]|$)")
OLD_DENSENET: Final = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.(\d\.)")
"""torchvision's own file of DenseNet has `norm.1` where the network has `norm1`."""
DEPTH: Final = 4
"""How deep nested dictionaries are searched."""
PICKLE: Final = b"\x80"


@dataclass(frozen=True, slots=True)
class StateDict:
    """A dictionary of named tensors in a file."""

    where: str
    """The keys that lead to it, such as `state_dict`; empty for the file itself."""
    tensors: State


@dataclass(frozen=True, slots=True)
class StateDictMatch:
    """A state dict whose names agree with a network's, but perhaps those of its classifier."""

    where: str
    """The keys and the prefix that lead to it."""
    tensors: State
    hits: int
    """Number of names that the network has, too."""

    @property
    def is_average(self) -> bool:
        """The name says that these are moving averages of weights."""
        return AVERAGED.search(self.where) is not None


def read_state_dicts(path: Path) -> list[StateDict]:
    """Every state dict in a .safetensors file, or in a file that torch.save wrote.

    `ModelError`: no such file, no tensors in it, or it cannot be read without running code from it
    """
    if not path.is_file():
        raise ModelError(f"The weights file {path} does not exist.")
    state_dicts = list(_state_dicts(_opened(path), ""))
    if not state_dicts:
        raise ModelError(
            f"The weights file {path} holds no tensors with names; save `model.state_dict()` in it."
        )
    return state_dicts


def best_match(parts: Sequence[StateDict], wanted: Collection[str], *, source: str) -> StateDictMatch:
    """The state dict, without its prefix, that has most names of the network; weights before their averages.

    wanted : names of the network's tensors
    source : what errors call the file
    `ModelError`: no name agrees, or several networks agree equally well
    """
    matches = [match for part in parts for match in _matches(part, wanted)]
    if not matches:
        have = [name for part in parts for name in part.tensors]
        raise ModelError(f"{source} does not fit the architecture: {compare_names(have, list(wanted))}.")
    best = max(matches, key=_rank)
    equals = [match for match in matches if _rank(match) == _rank(best) and not _are_equal(match, best)]
    # With fewer than half of the names the file is of another architecture: that is said later, with names.
    if equals and 2 * best.hits > len(wanted):
        names = ", ".join(match.where or "the file itself" for match in (best, *equals))
        raise ModelError(f"{source} holds several networks ({names}); save the one that is meant alone.")
    return best


def compare_names(have: Sequence[str], wanted: Sequence[str], *, named: int = 3) -> str:
    """The first names of a file and of a network, for an error that says how they differ."""
    return f"it has {first_names(have, named)}; {first_names(wanted, named)} are wanted"


def first_names(names: Sequence[str], count: int = 3) -> str:
    """The first few of many names."""
    return ", ".join([*names[:count], *(["…"] if len(names) > count else [])]) or "nothing"


class InertObject:
    """Replaces an object beside the weights: accepts any arguments and state, and ignores them."""

    def __new__(cls, *_args: object, **_named: object) -> Self:
        return super().__new__(cls)

    def __init__(self, *_args: object, **_named: object) -> None:
        pass

    def __setstate__(self, _state: object) -> None:
        pass


class InertDict:
    """Replaces an object of a dictionary class: torch can fill a plain dictionary only."""

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
    """Read with torch's weights-only unpickler, which runs no code, with unknown classes replaced."""
    unknown = _unknown_classes(path)
    try:
        return _load(path, dict.fromkeys(unknown, InertObject))
    except UnpicklingError:
        if not unknown:
            raise
        # Whether a class is a dictionary is not in the file. NumPy's are none; of the others all are tried
        # so.
        kinds = {name: InertObject if name.startswith("numpy.") else InertDict for name in unknown}
        return _load(path, kinds)


def _load(path: Path, replacements: Mapping[str, type[object]]) -> Any:
    known: list[Any] = [(kind, name) for name, kind in replacements.items()]
    with warnings.catch_warnings(), safe_globals(known):
        warnings.simplefilter("ignore")  # of torch, about versions of its format
        return torch.load(path, map_location="cpu", weights_only=True)


def _unknown_classes(path: Path) -> list[str]:
    """Classes in the file that torch does not allow; files of before torch 1.6 give no list."""
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


def _state_dicts(loaded: Any, where: str, depth: int = 0) -> Iterator[StateDict]:
    if not isinstance(loaded, Mapping) or depth > DEPTH:
        return
    tensors = {str(key): value for key, value in loaded.items() if isinstance(value, Tensor)}
    weights = {_canonical_name(key): value for key, value in tensors.items() if not key.startswith(OPTIMISER)}
    if weights:
        yield StateDict(where, weights)
    for key, value in loaded.items():
        yield from _state_dicts(value, f"{where}.{key}" if where else str(key), depth + 1)


def _canonical_name(name: str) -> str:
    """A tensor's name without wrappers, as today's networks have it."""
    words = [word for word in name.split(".") if word not in WRAPPERS]
    return OLD_DENSENET.sub(r"\1\2", ".".join(words))


def _matches(part: StateDict, wanted: Collection[str]) -> Iterator[StateDictMatch]:
    """The state dict without each prefix behind which it has names of the network."""
    for prefix, hits in _prefixes(part.tensors, wanted).items():
        tensors = {
            name.removeprefix(prefix): value
            for name, value in part.tensors.items()
            if name.startswith(prefix)
        }
        where = ".".join(filter(None, (part.where, prefix.rstrip("."))))
        yield StateDictMatch(where, tensors, hits)


def _prefixes(names: Collection[str], wanted: Collection[str]) -> Counter[str]:
    """Per prefix, how many names become names of the network without it."""
    hits: Counter[str] = Counter()
    for name in names:
        words = name.split(".")
        for cut in range(len(words)):
            if ".".join(words[cut:]) in wanted:
                hits["".join(f"{word}." for word in words[:cut])] += 1
    return hits


def _rank(match: StateDictMatch) -> tuple[int, bool]:
    return match.hits, not match.is_average


def _are_equal(first: StateDictMatch, second: StateDictMatch) -> bool:
    return first.tensors.keys() == second.tensors.keys() and all(
        torch.equal(value, second.tensors[name]) for name, value in first.tensors.items()
    )
