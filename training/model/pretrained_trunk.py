"""The trunk that a stage before training leaves: its weights in a file, and the record of the stage."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from training.errors import ModelError
from training.files import file_sha256, read_json, write_bytes, write_json
from training.model.backbones import Backbone

WEIGHTS: Final = "model.safetensors"
RECORD: Final = "pretraining.json"


@dataclass(frozen=True, slots=True)
class PretrainedTrunk:
    """The tensors of a network without its classifier.

    record : how they were made, with the SHA-256 of their file
    """

    tensors: dict[str, Tensor]
    record: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "PretrainedTrunk":
        """What `write` left in a folder; `ModelError` if the file of weights is not the one of the record."""
        record, path = read_json(folder / RECORD), folder / WEIGHTS
        if not path.is_file() or file_sha256(path) != record.get("weights_sha256"):
            raise ModelError(f"{path} is not the file that {folder / RECORD} names; delete the folder.")
        try:
            return cls(load_file(path), record)
        except SafetensorError as error:
            raise ModelError(f"{path} cannot be read: {error}.") from None

    def load_into(self, backbone: Backbone) -> None:
        """Replace every weight but the classifier's; `ModelError` if they are of another network."""
        if self.tensors.keys() != trunk_tensors(backbone).keys():
            raise ModelError("The pretrained trunk is of another network.")
        backbone.net.load_state_dict(self.tensors, strict=False)


def trunk_tensors(backbone: Backbone) -> dict[str, Tensor]:
    """Every weight and buffer of the network but the classifier's, by name."""
    head = {id(parameter) for parameter in backbone.head.parameters()}
    classifier = {name for name, parameter in backbone.net.named_parameters() if id(parameter) in head}
    return {name: value for name, value in backbone.net.state_dict().items() if name not in classifier}


def write_trunk(folder: Path, backbone: Backbone, record: dict[str, Any]) -> None:
    """Write the weights, then the record, which gets their hash."""
    tensors = {name: value.cpu().contiguous() for name, value in trunk_tensors(backbone).items()}
    write_bytes(folder / WEIGHTS, save(tensors))
    write_json(folder / RECORD, {**record, "weights_sha256": file_sha256(folder / WEIGHTS)})
