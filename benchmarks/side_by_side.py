"""Time runs one after the other against the same runs at once, and compare their weights.

python benchmarks/side_by_side.py [--architecture NAME] [--images 240] [--epochs 2] [--runs 4] [--at-once 4]

Images of noise, random weights. Every run is a process of its own, also one after the other, so start and
loading count alike. Prints wall time of each, their ratio, images per second in training, and how many runs
have the same weights to the last bit. On a GPU, start `nvidia-cuda-mps-control -d` first and compare both.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frozen_trunk import SIDE, write_dataset
from training.config import RunConfig, TrainingJob
from training.run_folder import RunFolder
from training.side_by_side import fit_side_by_side


def seconds(jobs: list[TrainingJob], at_once: int) -> float:
    """Wall time of all runs."""
    began = time.perf_counter()
    outcome = fit_side_by_side(jobs, at_once=at_once, on_event=lambda _job, _event: None)
    if outcome.failed:
        raise SystemExit(f"A run failed: {next(iter(outcome.failed.values()))}")
    return time.perf_counter() - began


def images_per_s(jobs: list[TrainingJob]) -> float:
    """Training images per second of all runs together, from the first epoch's start to the last one's end."""
    spans, images = [], 0.0
    for job in jobs:
        events = [json.loads(line) for line in (job.out / "events.jsonl").read_text().splitlines()]
        started = next(event for event in events if event["kind"] == "started")
        epochs = [event for event in events if event["kind"] == "epoch"]
        spans.append((_at(started), _at(epochs[-1])))
        images += started["images"]["train"] * len(epochs)
    begin, end = min(begin for begin, _ in spans), max(end for _, end in spans)
    return images / (end - begin)


def _at(event: dict[str, str]) -> float:
    return datetime.fromisoformat(event["at"]).timestamp()


def main() -> None:
    """Print one line per way, and the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--architecture", default="cyborg_tiny")
    parser.add_argument("--images", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--device", default="auto")
    asked = parser.parse_args()
    # The same for both ways, or a CPU would round differently.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        quarter = asked.images // 4
        data = write_dataset(root / "data", train=2 * quarter, val=quarter, test=quarter)
        shared = {"architecture": asked.architecture, "objective": "cyborg", "weights": "none"}
        shared |= {"image_size": SIDE, "epochs": asked.epochs, "device": asked.device}
        runs = [RunConfig.model_validate(shared | {"seed": seed}) for seed in range(asked.runs)]
        times = {}
        for way, at_once in {"in turn": 1, "at once": asked.at_once}.items():
            jobs = [TrainingJob(run=run, dataset=data, out=root / way / run.name) for run in runs]
            times[way] = seconds(jobs, at_once)
            print(f"{way:8} {times[way]:8.1f} s {images_per_s(jobs):8.0f} images/s in training", flush=True)
        same = sum(
            RunFolder(root / "in turn" / run.name).best.read_bytes()
            == RunFolder(root / "at once" / run.name).best.read_bytes()
            for run in runs
        )
        print(f"at once takes {times['at once'] / times['in turn']:.2f} of the time in turn")
        print(f"{same} of {len(runs)} runs have the same weights")


if __name__ == "__main__":
    main()
