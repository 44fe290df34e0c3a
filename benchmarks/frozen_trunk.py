"""Time a first and a second run behind one frozen trunk, and an epoch with the trunk trained.

python benchmarks/frozen_trunk.py [--architecture NAME] [--train 120] [--val 60] [--test 60] [--epochs 50]

Images of noise, random weights in a file, one process. Prints seconds of wall time and process time: the
first run computes the features, the second reads them.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import save_file

from training.config import RunConfig, TrainingJob
from training.data.dataset import DatasetWriter
from training.engine.setup import new_backbone
from training.run import run_job

SIDE = 224


def write_dataset(folder: Path, *, train: int, val: int, test: int) -> Path:
    """So many images of noise in each split; those for training have maps."""
    noise = np.random.default_rng(0)
    splits = ["train"] * train + ["val"] * val + ["test"] * test
    with DatasetWriter(folder, study="noise", map_set="noise") as writer:
        for i, split in enumerate(splits):
            human = noise.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16)
            writer.add(
                image_id=f"{i:06d}",
                image=_png(noise.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)),
                label=("real", "fake")[i % 2],
                source=("camera", "noise")[i % 2],
                split=split,
                map=_png(human) if split == "train" else None,
                annotators=int(split == "train"),
            )
    return folder


def _png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def seconds(data: Path, out: Path, settings: dict[str, Any]) -> tuple[float, float]:
    """Wall time and process time of a whole run."""
    wall, process = time.perf_counter(), time.process_time()
    for _ in run_job(TrainingJob(run=RunConfig.model_validate(settings), dataset=data, out=out)):
        pass
    return time.perf_counter() - wall, time.process_time() - process


def main() -> None:
    """Print one line per run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--architecture", default="vit_tiny_patch16_224")
    parser.add_argument("--train", type=int, default=120)
    parser.add_argument("--val", type=int, default=60)
    parser.add_argument("--test", type=int, default=60)
    parser.add_argument(
        "--no-trained", action="store_true", help="leave out the epoch with the trunk trained"
    )
    parser.add_argument("--epochs", type=int, default=50)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = write_dataset(root / "data", train=asked.train, val=asked.val, test=asked.test)
        shared = {
            "architecture": asked.architecture,
            "pooling": "mean",
            "objective": "cyborg",
            "weights": "none",
            "image_size": SIDE,
        }
        torch.manual_seed(0)
        weights = root / "trunk.safetensors"
        save_file(new_backbone(RunConfig.model_validate(shared)).net.state_dict(), weights)
        shared["weights"] = str(weights)
        frozen = shared | {"freeze": "trunk", "epochs": asked.epochs}
        runs = {
            f"first run, {asked.epochs} epochs": frozen | {"seed": 0},
            f"second run, {asked.epochs} epochs": frozen | {"seed": 1},
        }
        if not asked.no_trained:
            runs["trunk trained, 1 epoch"] = shared | {"epochs": 1}
        images = asked.train + asked.val + asked.test
        print(f"{asked.architecture}, {images} images at {SIDE} px, {torch.get_num_threads()} threads")
        for number, (name, settings) in enumerate(runs.items()):
            wall, process = seconds(data, root / "runs" / str(number), settings)
            print(f"{name:24} {wall:8.1f} s wall {process:8.1f} s process", flush=True)


if __name__ == "__main__":
    main()
