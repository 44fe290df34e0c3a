"""Stability of class activation maps: the agreement of runs that differ in their seed alone. No torch.

For each image of the sample that every run stores (`maps/sample.npz`): Spearman's correlation over the pixels
of the maps of two runs; the mean over images, then over all pairs of seeds. 1 = equal maps, 0 = unrelated.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from accuracy.statistics.means import mean_sd
from training.evaluation.agreement import spearman
from training.reporting.finished_runs import FinishedRun, Row, by_scenario

Maps = NDArray[np.floating]


def stability_table(results: Iterable[FinishedRun]) -> list[Row]:
    """One row per architecture and scenario; `stability` is None with fewer than two comparable runs."""
    rows = []
    for (architecture, scenario), runs in by_scenario(results).items():
        samples = [maps for run in runs if (maps := sample_of(run.folder.maps / "sample.npz")) is not None]
        pairs = [agreement(first, second) for first, second in combinations(samples, 2)]
        mean, sd, count = mean_sd(pairs)
        head = {"architecture": architecture, "scenario": scenario, "seeds": len(samples)}
        rows.append({**head, "pairs": count, "stability": mean, "sd": sd})
    return rows


def agreement(first: dict[str, Maps], second: dict[str, Maps]) -> float | None:
    """Mean Spearman correlation over the images that both have, in [-1, 1]; None if every map is constant."""
    shared = [
        name for name, saliency in first.items() if name in second and second[name].shape == saliency.shape
    ]
    if not shared:
        return None
    correlations = spearman(_stack(first, shared), _stack(second, shared))
    defined = correlations[~np.isnan(correlations)]
    return float(defined.mean()) if len(defined) else None


def sample_of(path: Path) -> dict[str, Maps] | None:
    """The stored maps (h, w) by image id; None where a run has none."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(zip(stored["image_ids"].tolist(), stored["cams"], strict=True))
    except (OSError, ValueError, KeyError, BadZipFile):
        return None


def _stack(maps: dict[str, Maps], names: Sequence[str]) -> Maps:
    return np.stack([maps[name] for name in names])
