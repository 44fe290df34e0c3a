"""What a report pays for the scores of one run: reading them, and every number of docs/evaluation.md.

A file of scores as a run writes it, of `--images` images from eight sources, is read once and summed up once
in a process of its own. CPU seconds of that process, and its peak memory.

    python benchmarks/reading_scores.py --images 700000
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from training.evaluate import SCORE_COLUMNS
from training.metrics import sigmoid
from training.numbers import numbers_of
from training.scored import read_scored

REALS = ("celeba-hq", "ffhq")
FAKES = ("progan", "stargan", "stylegan1", "stylegan2", "stylegan3", "stylegan-ada")
SHARE_REAL = 1 / 7


def write_scores(path: Path, images: int) -> None:
    """Scores of a detector of middling quality, one image in seven real, as in CYBORG's test set."""
    rng = np.random.default_rng(0)
    fake = rng.random(images) >= SHARE_REAL
    logits = rng.normal(0, 1, (images, 2)) + np.where(fake, 0.5, -0.5)[:, None] * (-1, 1)
    sources = np.where(fake, rng.choice(FAKES, images), rng.choice(REALS, images))
    scores = np.column_stack([logits, sigmoid(logits[:, 1]), sigmoid(logits[:, 1] - logits[:, 0])])
    with path.open("w", encoding="utf-8") as stream:
        stream.write(",".join(SCORE_COLUMNS) + "\n")
        for number, (is_fake, source, row) in enumerate(zip(fake, sources, scores, strict=True)):
            label = "fake" if is_fake else "real"
            numbers = ",".join(f"{value:.9g}" for value in row)
            stream.write(f"t{number:06d},images/t{number:06d}.png,{label},{source},{numbers}\n")


def measure(path: Path) -> None:
    """To be run in a process of its own, so that its peak memory is its own."""
    began = time.process_time()
    scored = read_scored(path)
    read = time.process_time()
    numbers_of(scored)
    done = time.process_time()
    reading, numbers = read - began, done - read
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(scored)} scores of {len(set(scored.sources.tolist()))} sources, CPU seconds of one process:")
    print(f"  reading  {reading:5.1f}")
    print(f"  numbers  {numbers:5.1f}  ({numbers / reading:.1f} times the reading)")
    print(f"  peak memory {peak_mb:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=700_000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.csv"
        write_scores(path, options.images)
        subprocess.run([sys.executable, __file__, "--measure", str(path)], check=True)


if __name__ == "__main__":
    main()
