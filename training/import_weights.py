"""Make a run folder from a checkpoint of another trainer, for `score` and `evaluate`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from training.config import CamClass, CamTensor, Resize, RunConfig, Scaling, explain, plain_name
from training.engine.checkpoint import TrainingProgress, save_checkpoint
from training.engine.setup import new_backbone
from training.errors import ModelError, RecipeError
from training.files import new_folder, require_free, write_json
from training.model.backbones import Backbone
from training.model.cam_tensor import RELEASED
from training.model.weight_files import StateDict, first_names, read_state_dicts
from training.model.weights import initialise, weights_path
from training.run import FORMAT, backbone_record, software_record
from training.run_folder import RunFolder

SIGNS: Final[dict[str, str]] = {
    # A tensor that this one of the papers' networks has and the other three have not.
    "densenet121": "features.denseblock4.denselayer16.conv2.weight",
    "inception_v3": "Mixed_7c.branch_pool.conv.weight",
    "legacy_xception": "block12.skip.weight",
    "resnet50": "layer3.5.conv3.weight",
}


def import_weights(
    file: Path,
    out_dir: Path,
    *,
    architecture: str | None = None,
    image_size: int | None = None,
    scaling: Scaling = "auto",
    resize: Resize = "pil_bilinear",
    cam_tensor: CamTensor | None = None,
    cam_class: CamClass = "predicted",
) -> dict[str, Any]:
    """Write a run folder with the weights in a file; returns the content of its run.json.

    The defaults are those of the papers' released code.

    architecture : None recognises the papers' four networks by their tensors
    cam_tensor : None is `released` for those four, `pooled` for others
    `ModelError`: the weights are of no known network, or have no classifier for two classes
    """
    require_free(out_dir, because="weights are never imported over something else")
    name = architecture or recognised(read_state_dicts(weights_path(file)), source=f"The weights file {file}")
    run = _config(
        {
            "architecture": name,
            "objective": {"name": "cross_entropy", "cam_class": cam_class},
            "scenario": "imported",
            "epochs": 1,
            "image_size": image_size,
            "weights": str(file),
            "scaling": scaling,
            "resize": resize,
            "cam_tensor": cam_tensor or ("released" if plain_name(name) in RELEASED else "pooled"),
        }
    )
    backbone = new_backbone(run)
    start = initialise(backbone, architecture=name, weights=run.weights)
    if start.classifier == "random":
        raise ModelError(f"The weights file {file} has no classifier for two classes, real and fake.")
    record = {
        "format": FORMAT,
        "name": out_dir.resolve().name,
        "config": run.model_dump(mode="json"),
        "imported": True,
        "start": asdict(start),
        **backbone_record(backbone),
        **software_record(),
    }
    _write(out_dir, backbone, record)
    return record


def recognised(parts: list[StateDict], *, source: str) -> str:
    """Which of the papers' networks the tensors are of."""
    names = [name for part in parts for name in part.tensors]
    for architecture, sign in SIGNS.items():
        if any(f".{name}".endswith(f".{sign}") for name in names):
            return architecture
    known = ", ".join(SIGNS)
    raise ModelError(f"{source} is of none of {known}; name its architecture. It has {first_names(names)}.")


def in_words(record: dict[str, Any]) -> str:
    """One line that says how the weights were read."""
    network_input, network = record["input"], record["network"]
    scale = " and ".join(str(tuple(network_input[name])) for name in ("mean", "std"))
    name = record["config"]["architecture"]
    return (
        f"{name} at {network_input['side']} px, resize {network_input['resize']}, "
        f"mean and deviation {scale}, maps of the "
        f"{network['cam_tensor']} tensor; its classes are taken as real, fake"
    )


def _config(settings: dict[str, Any]) -> RunConfig:
    try:
        return RunConfig.model_validate(settings)
    except ValidationError as error:
        raise RecipeError(explain(error)) from None


def _write(out_dir: Path, backbone: Backbone, record: dict[str, Any]) -> None:
    with new_folder(out_dir) as draft:
        write_json(draft / "run.json", record)
        save_checkpoint(RunFolder(draft).best, backbone.net, TrainingProgress())
