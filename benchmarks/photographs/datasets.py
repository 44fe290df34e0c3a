"""Write the dataset folder of a seed: its own training and validation images, and its own annotators."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.photographs.annotators import ASKED, PARAMETERS, RIGHT, annotate
from benchmarks.photographs.images import Picture
from saliency import ImageAnnotations, build_encoded_maps
from training.data.dataset import DatasetFolder, DatasetWriter, load_dataset

TRAIN: Final = 120
"""Training images of each class."""
VAL: Final = 60
"""Validation images of each class."""


def write_dataset(
    out_dir: Path, training: Sequence[Picture], test: Sequence[Picture], *, seed: int
) -> DatasetFolder:
    """Write the dataset of a seed, or read it where it is there already.

    training : pictures from which the seed draws `TRAIN` and `VAL` of each class
    test : the same for every seed; empty leaves the test split out
    """
    if (out_dir / "dataset.json").is_file():
        return load_dataset(out_dir)
    splits = drawn_splits(training, seed=seed)
    painted = (_annotations(one, seed) for one in splits["train"])
    maps = dict(build_encoded_maps(painted, PARAMETERS))
    parameters = {
        "seed": seed,
        "simulated_annotations": ASKED * len(splits["train"]),
        "annotators": ASKED,
        "accuracy": RIGHT,
    }
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with DatasetWriter(out_dir, study="simulated", map_set="simulated", parameters=parameters) as writer:
        for split, pictures in {**splits, "test": list(test)}.items():
            for one in pictures:
                saliency = maps.get(one.listed.name) if split == "train" else None
                writer.add(
                    image_id=one.listed.name,
                    image=one.png,
                    label=one.listed.label,
                    source=one.listed.source,
                    split=split,
                    map=saliency.png if saliency else None,
                    annotators=saliency.annotators if saliency else 0,
                )
    return load_dataset(out_dir)


def drawn_splits(training: Sequence[Picture], *, seed: int) -> dict[str, list[Picture]]:
    """`TRAIN` and `VAL` pictures of each class, drawn by the seed."""
    rng = np.random.default_rng([seed, 0])
    splits: dict[str, list[Picture]] = {"train": [], "val": []}
    for label in ("real", "fake"):
        pool = [one for one in training if one.listed.label == label]
        if len(pool) < TRAIN + VAL:
            raise ValueError(f"{len(pool)} {label} images are too few: {TRAIN + VAL} are drawn.")
        drawn = [pool[at] for at in rng.permutation(len(pool))[: TRAIN + VAL]]
        splits["train"] += drawn[:TRAIN]
        splits["val"] += drawn[TRAIN:]
    return splits


def _annotations(one: Picture, seed: int) -> ImageAnnotations:
    return annotate(one, np.random.default_rng([seed, 1, *one.listed.name.encode()]))
