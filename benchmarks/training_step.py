"""What a training step costs: cross-entropy, CYBORG as this project computes it, and CYBORG step by step.

    python benchmarks/training_step.py [--architectures densenet121,resnet50] [--batch 8] [--rounds 5]

"reference" is written for this comparison from the method's description: the maps of a batch one image at a
time, and, for DenseNet, features from a second pass through the network, as its logits come without them.
All three use the same network, weights, images and thread; their steps alternate. A figure is the median
of the process's own CPU time, which other work on the machine changes little; on a GPU it is wall time.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from training.config import AnyObjective, Objective, OptimiserSettings
from training.engine.optimiser import Optimiser
from training.model.backbones import Backbone, build
from training.model.cam import fit_human
from training.model.objective import compute_loss

SECOND_PASS = {"densenet121"}
PAPER = "densenet121,resnet50,inception_v3,legacy_xception"


def batch(backbone: Backbone, size: int, device: torch.device) -> dict[str, Tensor]:
    """Random images, balanced labels, and a human map at the size of the CAM for each."""
    generator = torch.Generator().manual_seed(0)
    side = backbone.network_input.side
    tensors = {
        "images": torch.rand(size, 3, side, side, generator=generator),
        "labels": torch.arange(size) % 2,
        "human": fit_human(torch.rand(size, 64, 64, generator=generator), backbone.map_size()),
        "present": torch.ones(size, dtype=torch.bool),
    }
    return {name: tensor.to(device) for name, tensor in tensors.items()}


def fused_loss(backbone: Backbone, data: dict[str, Tensor], objective: AnyObjective) -> Tensor:
    features, logits = backbone(data["images"])
    return compute_loss(
        objective,
        logits=logits,
        labels=data["labels"],
        features=features,
        weight=backbone.weight,
        human=data["human"],
        present=data["present"],
    ).loss


def plain_loss(backbone: Backbone, data: dict[str, Tensor]) -> Tensor:
    """Cross-entropy and nothing else: not even the record of where the network looks."""
    _, logits = backbone(data["images"])
    return cross_entropy(logits, data["labels"])


def reference_loss(backbone: Backbone, data: dict[str, Tensor], *, second_pass: bool) -> Tensor:
    features, logits = backbone(data["images"])
    if second_pass:
        features, _ = backbone(data["images"])
    maps = []
    for i in range(len(logits)):
        row = backbone.weight[logits[i].argmax()]
        cam = (row[:, None, None] * features[i]).sum(dim=0)
        cam = cam - cam.min()
        maps.append(cam / cam.max().clamp_min(1e-6))
    distance = torch.nn.functional.mse_loss(torch.stack(maps), data["human"])
    return 0.5 * distance + 0.5 * cross_entropy(logits, data["labels"])


def step_seconds(optimiser: Optimiser, loss: Callable[[], Tensor], device: torch.device) -> float:
    clock = time.process_time if device.type == "cpu" else _synchronised
    began = clock()
    optimiser.zero_grad()
    loss().backward()
    optimiser.step(0.005)
    return clock() - began


def _synchronised() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def measure(architecture: str, *, size: int, rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds of each kind of step."""
    torch.manual_seed(0)
    backbone = build(architecture).to(device).train()
    data, optimiser = batch(backbone, size, device), Optimiser(backbone, OptimiserSettings())
    second_pass = architecture in SECOND_PASS
    kinds: dict[str, Callable[[], Tensor]] = {
        "cross_entropy": lambda: plain_loss(backbone, data),
        "cyborg": lambda: fused_loss(backbone, data, Objective.preset("cyborg")),
        "reference": lambda: reference_loss(backbone, data, second_pass=second_pass),
    }
    for loss in kinds.values():
        step_seconds(optimiser, loss, device)
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, loss in kinds.items():
            taken[kind].append(step_seconds(optimiser, loss, device))
    return {kind: statistics.median(times) for kind, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--architectures", default=PAPER)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_num_threads(1)
    print(f"batch {options.batch}, {device}, torch {torch.__version__}, {options.rounds} rounds, s per step")
    print(f"{'':18}{'cross_entropy':>14}{'cyborg':>10}{'reference':>11}{'cyborg/ce':>11}{'ref/cyborg':>12}")
    for name in options.architectures.split(","):
        took = measure(name, size=options.batch, rounds=options.rounds, device=device)
        ratios = took["cyborg"] / took["cross_entropy"], took["reference"] / took["cyborg"]
        seconds = "".join(
            f"{value:{width}.3f}" for value, width in zip(took.values(), (14, 10, 11), strict=True)
        )
        print(f"{name:18}{seconds}{ratios[0]:11.2f}{ratios[1]:12.2f}", flush=True)


if __name__ == "__main__":
    main()
