"""Time fast scoring against exact scoring with the same network and images, and say how far scores move.

python benchmarks/fast_scoring.py [--architectures NAME,NAME] [--images 8] [--rounds 5] [--device auto]

Random weights, images of noise. The two take turns; a figure is the median of CPU time per image on a CPU,
of wall time on a GPU.
"""

import argparse
import statistics
import time

import torch
from torch import Tensor

from training.engine.device import pick_device
from training.evaluation.evaluator import Evaluator
from training.evaluation.fast_scoring import faster
from training.model.backbones import build

PAPER = "resnet50,densenet121,inception_v3,legacy_xception"


def milliseconds(evaluator: Evaluator, pixels: Tensor, labels: Tensor) -> float:
    """Time of one batch, per image."""
    on_gpu = evaluator.backbone.weight.device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    began = clock()
    evaluator.predict(pixels, labels)
    if on_gpu:
        torch.cuda.synchronize()
    return 1000 * (clock() - began) / len(pixels)


def main() -> None:
    """Print one line per architecture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--architectures", default=PAPER)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    device = pick_device(asked.device)
    torch.manual_seed(0)
    print(f"{device}, {torch.get_num_threads()} threads, {asked.images} images a batch")
    for architecture in asked.architectures.split(","):
        exact = Evaluator(build(architecture).to(device).eval(), "predicted")
        exact.backbone.to(memory_format=exact.layout)
        fast = faster(exact)
        side = exact.backbone.network_input.side
        pixels = torch.randint(0, 256, (asked.images, 3, side, side), dtype=torch.uint8)
        labels = torch.zeros(asked.images, dtype=torch.int64)
        logits, others = (evaluator.predict(pixels, labels)[0] for evaluator in (exact, fast))
        moved = float((logits - others).abs().max() / logits.abs().max())
        times: dict[str, list[float]] = {"exact": [], "fast": []}
        for _ in range(asked.rounds):
            for name, evaluator in (("exact", exact), ("fast", fast)):
                times[name].append(milliseconds(evaluator, pixels, labels))
        before, after = (statistics.median(times[name]) for name in ("exact", "fast"))
        print(
            f"{architecture:16} exact {before:7.1f} ms, fast {after:7.1f} ms, ratio {after / before:.2f}; "
            f"{fast.folded_layers} folded, logits moved by at most {moved:.0e} of the largest",
            flush=True,
        )


if __name__ == "__main__":
    main()
