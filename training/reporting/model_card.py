"""The model card of a trained detector: data, weights, metrics and limits. No torch.

Every statement is read from the run folder.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from training.config import CAM_TENSORS, MODEL_MAPS, RunConfig
from training.evaluation.score_table import POOLED
from training.files import read_json
from training.reporting.finished_runs import read_run
from training.run_folder import RunFolder

SHOWN: Final = (
    *("auc", "auc_low", "auc_high", "ap", "eer", "tpr_at_fpr_0.01", "tpr_at_fpr_0.005"),
    *("acer", "brier", "calibration_error"),
)
ABOUT_SCORES: Final = (
    "Scores: `sigmoid` is that of the fake logit alone, as in the papers; `softmax` is over both logits. "
    "A generator stands against all real images. The interval is DeLong's, over images, not over seeds."
)
ABOUT_FILES: Final = (
    "`model.onnx`: `images` (N, 3, side, side) RGB from 0 to 255 → `logits` (N, 2; real, fake), "
    "`score_sigmoid`, `score_softmax` (N), `cam` (N, h, w) in [0, 1], the map. Pictures are "
    "brought to side × side before, as said above; the scale of pixels is inside the model. "
    "`model.safetensors`: the weights alone. `card.json`: this page as data."
)
NETWORK: Final = {"dropout": 0.0, "cam_tensor": "pooled", "map": "cam"}
"""The settings of runs whose record does not have them."""
RESIZES: Final = {
    "area": "the mean over the covered area (OpenCV's INTER_AREA; INTER_LINEAR when enlarging)",
    "pil_bilinear": "Pillow's bilinear filter",
}
UNKNOWN: Final = "unknown: the dataset's folder is gone"


def card_of(folder: RunFolder) -> dict[str, Any]:
    """The content of the card, as JSON.

    `chain` has the hash of each step from the weights back to the study.
    """
    result, record = read_run(folder), folder.record()
    dataset = record.get("dataset", {})
    return {
        "name": record.get("name", folder.root.name),
        "architecture": result.config.architecture,
        "scenario": result.config.scenario_name,
        "config": record["config"],
        "best_epoch": result.best_epoch,
        "input": record.get("input"),
        "network": record.get("network", NETWORK),
        "about_maps": _about_model_maps(result.config),
        "cautions": record.get("cautions", []),
        "start": record.get("start", {"weights": record["config"]["weights"]}),
        "data": {
            "study": dataset.get("study"),
            "counts": dataset.get("counts"),
            "maps": _maps(dataset.get("path")),
            "teacher": record.get("teacher", {}),
        },
        "split": result.split,
        "metrics": [
            {"source": source, "score": kind, **values}
            for (source, kind), values in result.score_summary.metrics.items()
        ],
        "chain": {
            "weights_sha256": _sha256(folder.best),
            "run_record_sha256": _sha256(folder.root / "run.json"),
            "code_sha256": record.get("code"),
            "dataset": dataset.get("id"),
            "map_set": dataset.get("map_set"),
            "study": dataset.get("study"),
            **_chain_of_stages(record),
        },
        "versions": record.get("versions"),
    }


def _about_model_maps(config: RunConfig) -> str:
    if config.map == "attention":
        return MODEL_MAPS["attention"]
    return f"of the predicted class, made of {CAM_TENSORS[config.cam_tensor]}"


def _chain_of_stages(record: dict[str, Any]) -> dict[str, str]:
    """Hashes of what came before training: the pretrained trunk, and the teacher's maps and weights."""
    teacher = record.get("teacher", {})
    hashes = {
        "pretrained_trunk_sha256": record.get("start", {}).get("pretraining", {}).get("weights_sha256"),
        "teacher_manifest_sha256": teacher.get("manifest_sha256"),
        "teacher_weights_sha256": teacher.get("run", {}).get("weights_sha256"),
    }
    return {name: value for name, value in hashes.items() if value}


def _maps(dataset: str | None) -> dict[str, Any] | str:
    path = Path(dataset or "") / "dataset.json"
    if not dataset or not path.is_file():
        return UNKNOWN
    parameters = read_json(path).get("parameters", {})
    return {name: parameters.get(name) for name in ("maps", "annotations", "simulated_annotations")}


def as_markdown(card: dict[str, Any]) -> str:
    """The card as the README.md of an export."""
    sections = [
        f"# {card['name']}",
        _what(card),
        "## Data",
        _data(card),
        f"## Numbers on the {card['split']} split",
        _numbers(card["metrics"]),
        ABOUT_SCORES,
        "## Limits",
        _limits(card),
        "## Where it comes from",
        _chain(card["chain"]),
        "## Files",
        ABOUT_FILES,
    ]
    return "\n\n".join(sections) + "\n"


def _settings(objective: dict[str, Any]) -> Iterator[str]:
    """The settings of an objective that hold, in words."""
    for name, value in objective.items():
        if isinstance(value, dict):
            parts = " ".join(str(part) for part in value.values() if part is not None)
            yield f"{name} {parts} in place of two weights"
        elif name != "name" and value is not None:
            yield f"{name} {value}"


def _what(card: dict[str, Any]) -> str:
    config, network_input = card["config"], card["input"] or {}
    objective = config["objective"]
    settings = ", ".join(_settings(objective))
    weights = card["start"]["weights"]
    start = "random weights" if weights in {"none", "random"} else f"weights `{_plain(weights)}`"
    if licence := card["start"].get("licence"):
        start += f" (licence: {_plain(licence)})"
    if stage := card["start"].get("pretraining"):
        start += f", after its trunk had learned {stage['settings']['maps']} maps of {stage['images']} images"
    side, resize = network_input.get("side", "?"), network_input.get("resize", "area")
    return (
        f"A {card['architecture']} that tells synthetic faces from real ones, trained with the objective "
        f"`{objective['name']}` ({settings}) for {config['epochs']} epochs from {start}, "
        f"seed {config['seed']}; epoch {card['best_epoch']} was chosen on the validation split. It takes "
        f"faces of {side} × {side} pixels, brought to that size by {RESIZES[resize]}. Its maps are "
        f"{card['about_maps']}."
    )


def _data(card: dict[str, Any]) -> str:
    counts = card["data"]["counts"] or {}
    lines = ["| split | images | real | fake | with a human map |", "|---|---|---|---|---|"]
    lines += [
        f"| {split} | {row['images']} | {row['real']} | {row['fake']} | {row['with_map']} |"
        for split, row in counts.items()
    ]
    about = [*_about_images(card["config"]), _about_maps(card["data"]["maps"])]
    about += [_about_teacher(teacher)] if (teacher := card["data"].get("teacher")) else []
    return "\n".join(lines) + "\n\n" + " ".join(about)


def _about_images(config: dict[str, Any]) -> Iterator[str]:
    """A sentence for each choice of how images were learned from; of earlier runs not all is known."""
    if left_out := config.get("leave_out"):
        yield f"Fake images of {_plain(left_out)} were in neither training nor validation."
    if until := config.get("train_until"):
        yield f"Fake images of generators released after {until} were in neither training nor validation."
    if config.get("batches") == "pairs":
        yield "Pairs that people were shown were in one batch."
    if (kind := config.get("sample_weights", "none")) != "none":
        measured = {"accuracy": "how often", "time": "how fast"}[kind]
        dealt = ", dealt out to other images" if config["sample_weight_control"] == "shuffled" else ""
        yield (
            f"Images weighed more the more {config['sample_weight_priority']} they were to people, by "
            f"{measured} they told their pairs{dealt}."
        )


def _about_teacher(teacher: dict[str, Any]) -> str:
    return (
        f"The maps of {teacher['maps']} training images were drawn by a trained network: the method "
        f"{teacher['method']} of the run `{_plain(str(teacher['run']['name']))}`."
    )


def _about_maps(maps: dict[str, Any] | str) -> str:
    if isinstance(maps, str):
        return f"How the maps were made is {maps}."
    simulated, total = maps.get("simulated_annotations"), maps.get("annotations")
    if simulated:
        return (
            f"**Simulated:** {simulated} of the {total} annotations behind the maps were made by programs. "
            "Whatever this detector does says nothing about people."
        )
    return f"The maps rest on {total if total is not None else 'an unknown number of'} annotations."


def _numbers(metrics: Sequence[dict[str, Any]]) -> str:
    head = ["source", "score", "images", *SHOWN]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in metrics:
        cells = [_plain(row["source"]), row["score"], f"{row['images'] or 0:.0f}"]
        cells += ["–" if row[name] is None else f"{row[name]:.3f}" for name in SHOWN]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _limits(card: dict[str, Any]) -> str:
    pooled = [row for row in card["metrics"] if row["source"] == POOLED]
    sources = sorted({_plain(row["source"]) for row in card["metrics"]} - {POOLED})
    few = min((row["images"] or 0 for row in pooled), default=0)
    lines = [
        *(f"- **Caution:** {_plain(sentence)}" for sentence in card["cautions"]),
        f"- It was measured on {', '.join(sources)} only; on others it may be no better than chance.",
        "- A score is no proof about a person or a picture. Do not decide about people by it.",
        "- Faces must be cropped as those of its dataset were; crops, compression and size shift scores.",
        "- The probabilities are calibrated as the table says, on those images, and nowhere else.",
    ]
    if few < 1000:
        lines.append(f"- {few:.0f} test images are few: see the width of the intervals.")
    return "\n".join(lines)


def _chain(chain: dict[str, Any]) -> str:
    return "\n".join(f"- {name.replace('_', ' ')}: `{_plain(str(value))}`" for name, value in chain.items())


def _plain(name: str) -> str:
    """A name that cannot end a cell, a code span or a line."""
    return " ".join(name.replace("|", "/").replace("`", "'").replace("<", "‹").split())


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
