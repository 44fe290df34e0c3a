"""Export a trained detector for other programs: ONNX with the map as an output, safetensors, a model card."""

import json
import logging
import warnings
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save
from torch import Tensor, nn

from training.errors import ModelError, RunError
from training.files import new_folder, require_free, write_bytes, write_text
from training.model.backbones import Backbone
from training.reporting.model_card import as_markdown, card_of
from training.run import open_run
from training.run_folder import RunFolder

OUTPUTS: Final = ("logits", "score_sigmoid", "score_softmax", "cam")
FILES: Final = ("model.onnx", "model.safetensors", "card.json", "README.md")


class ExportedDetector(nn.Module):
    """The exported module: scaling of pixels, network, scores and map.

    images : (N, 3, side, side) float32, RGB from 0 to 255
    -> logits (N, 2), score_sigmoid (N,), score_softmax (N,), cam (N, h, w) in [0, 1]: the map of the run
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features, logits = self.backbone(self.backbone.normalise(images))
        cam = self.backbone.explain("predicted", features, logits, logits.argmax(dim=1))
        fake = logits[:, 1]
        return logits, torch.sigmoid(fake), torch.sigmoid(fake - logits[:, 0]), cam


def export_run(run: Path, out_dir: Path) -> list[str]:
    """Write `FILES` for a finished run into a folder that must not exist yet, or be empty; all or nothing."""
    folder = RunFolder(run)
    if not folder.is_finished:
        folder.record()  # says when this is no run folder at all
        raise RunError(f"{run} has not finished; a detector is exported when its numbers are known.")
    require_free(out_dir, because="an export is never written over another")
    _, backbone = open_run(folder, device="cpu")
    card = card_of(folder)
    with new_folder(out_dir) as draft:
        write_onnx(ExportedDetector(backbone).eval(), draft / "model.onnx", side=backbone.network_input.side)
        tensors = {name: value.contiguous() for name, value in backbone.net.state_dict().items()}
        about = {"architecture": card["architecture"], "dataset": str(card["chain"]["dataset"])}
        write_bytes(draft / "model.safetensors", save(tensors, metadata=about))
        write_text(draft / "card.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n")
        write_text(draft / "README.md", as_markdown(card))
    return list(FILES)


def write_onnx(detector: ExportedDetector, path: Path, *, side: int) -> None:
    """One file, any batch size."""
    example = torch.zeros(2, 3, side, side)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter, about itself
            program = torch.onnx.export(
                detector,
                (example,),
                input_names=["images"],
                output_names=list(OUTPUTS),
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                dynamo=True,
                verbose=False,
            )
    except ImportError as error:
        raise ModelError(
            f"Exporting needs the package {error.name}: pip install 'cyborg-platform[train]'."
        ) from None
    assert program is not None  # noqa: S101 - only without dynamo it is
    program.save(path, external_data=False)
