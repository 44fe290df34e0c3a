"""What a report pays for the scores of one run: reading them, and every number of docs/evaluation.md.

A file of scores as a run writes it, of `--images` images from eight sources, is read and summed up once in a
process of its own, in turn with the reference: `csv.DictReader`, and for each source and kind of score the
AUC alone, by scipy's `rankdata`. Medians of `--rounds`, CPU seconds of each process, and its peak memory.

    python benchmarks/reading_scores.py --images 700000
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from scipy.special import expit
from scipy.stats import rankdata

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.memory import resident
from training.evaluation.score_summary import summarise_file
from training.evaluation.score_table import POOLED

REALS = ("celeba-hq", "ffhq")
FAKES = ("progan", "stargan", "stylegan1", "stylegan2", "stylegan3", "stylegan-ada")
SHARE_REAL = 1 / 7


def write_scores(path: Path, images: int) -> None:
    """Scores of a detector of middling quality, one image in seven real, as in CYBORG's test set."""
    from training.evaluation.evaluator import SCORE_COLUMNS  # imports torch, which a report does not need

    rng = np.random.default_rng(0)
    fake = rng.random(images) >= SHARE_REAL
    logits = rng.normal(0, 1, (images, 2)) + np.where(fake, 0.5, -0.5)[:, None] * (-1, 1)
    sources = np.where(fake, rng.choice(FAKES, images), rng.choice(REALS, images))
    scores = np.column_stack([logits, expit(logits[:, 1]), expit(logits[:, 1] - logits[:, 0])])
    with path.open("w", encoding="utf-8") as stream:
        stream.write(",".join(SCORE_COLUMNS) + "\n")
        for number, (is_fake, source, row) in enumerate(zip(fake, sources, scores, strict=True)):
            label = "fake" if is_fake else "real"
            numbers = ",".join(f"{value:.9g}" for value in row)
            stream.write(f"t{number:06d},images/t{number:06d}.png,{label},{source},{numbers}\n")


def measure_ours(path: Path) -> int:
    """Reading and every number; how many images there were."""
    return int(summarise_file(path).metrics[POOLED, "softmax"]["images"] or 0)


def measure_reference(path: Path) -> int:
    """Reading and the AUC alone, of what `summarise_file` gives more than twenty numbers and two curves."""
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    real, fake = (np.array([float(row[name]) for row in rows]) for name in ("logit_real", "logit_fake"))
    flags = np.array([row["label"] == "fake" for row in rows])
    sources = np.array([row["source"] for row in rows])
    for source in ("", *FAKES, *REALS):
        keep = (sources == source) | (flags if source in REALS else ~flags) if source else flags | ~flags
        for values in (fake, fake - real):
            wins = rankdata(values[keep])[flags[keep]].sum()
            assert wins > 0
    return len(rows)


MEASURED: Final[dict[str, Callable[[Path], int]]] = {"ours": measure_ours, "reference": measure_reference}


def run_alone(name: str, path: Path) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of a process that measures; what importing took is left out."""
    command = [sys.executable, __file__, "--measure", name, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak_mb = done.stdout.split()
    return float(seconds), float(peak_mb)


def measure(name: str, path: Path) -> None:
    """To be run in a process of its own, so that its peak memory is its own."""
    import pandas as pd  # noqa: F401 - once for a whole report

    began = time.process_time()
    MEASURED[name](path)
    seconds = time.process_time() - began
    print(seconds, resident(peak=True) / 2**20)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=700_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_scores(options.write, options.images)
        return
    if options.measure:
        name, path = options.measure
        measure(name, Path(path))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.csv"
        # In a process of its own: one that is started inherits the peak memory of its parent.
        command = [sys.executable, __file__, "--images", str(options.images), "--write", str(path)]
        subprocess.run(command, check=True)
        found = [[run_alone(name, path) for name in MEASURED] for _ in range(options.rounds)]
    medians = {name: np.median([row[i] for row in found], axis=0) for i, name in enumerate(MEASURED)}
    for name, (seconds, peak_mb) in medians.items():
        print(f"{name:9} {seconds:5.2f} CPU s  {peak_mb:5.0f} MB at most")
    ratio = np.median([ours[0] / reference[0] for ours, reference in found])
    print(
        f"ours / reference {ratio:.2f}; 120 runs of {options.images} scores {medians['ours'][0] * 2:.1f} min"
    )


if __name__ == "__main__":
    main()
