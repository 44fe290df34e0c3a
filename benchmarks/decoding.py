"""What one decoder for everything costs, beside OpenCV and Pillow, which keep no promise about colours.

    python benchmarks/decoding.py [--images FOLDER] [--rounds 9] [--count 20]

Images of 512 px, one process and one thread, CPU time; the ways take turns on the same files, medians count.
The images are soft shapes under grain, or photographs from a folder.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from saliency.images.decoder import read_pixels
from tests.support.image_writers import DISPLAY_P3, gamma_curve, rgb_profile

SIDE = 512
WIDE = rgb_profile(gamma_curve(2.2), DISPLAY_P3)
FILES: dict[str, dict[str, Any]] = {
    "JPEG": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "PNG": {"format": "PNG"},
    "PNG as frozen": {"format": "PNG", "compress_type": 3},
    "JPEG, wide colours": {"format": "JPEG", "quality": 95, "icc_profile": WIDE},
}


def pictures(folder: Path | None, count: int) -> Iterator[Image.Image]:
    if folder is None:
        rng = np.random.default_rng(0)
        for _ in range(count):
            shapes = cv2.resize(rng.integers(0, 230, (12, 12, 3), np.uint8), (SIDE, SIDE), interpolation=2)
            yield Image.fromarray(shapes + rng.integers(0, 12, (SIDE, SIDE, 3), np.uint8))
        return
    for path in sorted(folder.rglob("*.jpg"))[:count]:
        yield Image.fromarray(read_pixels(path)).resize((SIDE, SIDE))


def opencv(path: Path) -> Any:
    return cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)


def pillow(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


WAYS: dict[str, Callable[[Path], Any]] = {"OpenCV": opencv, "Pillow": pillow, "the decoder": read_pixels}


def milliseconds(read: Callable[[Path], Any], paths: list[Path]) -> float:
    begin = time.process_time()
    for path in paths:
        read(path)
    return 1000 * (time.process_time() - begin) / len(paths)


def measure(paths: list[Path], rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, read in WAYS.items():
            times[name].append(milliseconds(read, paths))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    sources = list(pictures(options.images, options.count))
    with tempfile.TemporaryDirectory() as folder:
        for kind, how in FILES.items():
            paths = [Path(folder) / f"{kind}-{i}" for i in range(len(sources))]
            for path, source in zip(paths, sources, strict=True):
                source.save(path, **how)
            times = measure(paths, options.rounds)
            for name, values in times.items():
                pairs = [value / base for value, base in zip(values, times["OpenCV"], strict=True)]
                ratio = statistics.median(pairs)
                print(f"{kind:20} {name:12} {statistics.median(values):6.2f} ms  {ratio:5.2f} of OpenCV")


if __name__ == "__main__":
    main()
