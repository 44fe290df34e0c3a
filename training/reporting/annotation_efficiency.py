"""Annotation efficiency: how many more images cross-entropy needs to reach the AUC of a run with human maps.

A run with a map term is trained on some annotated images, one without on images alone. The classical learning
curve is the mean AUC of cross-entropy runs over the number of their training images; the AUC of a scenario
with human maps is read off it. The paper's seven-fold data are two points of such a curve.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from accuracy.statistics.means import mean_sd
from training.files import read_json
from training.reporting.finished_runs import FinishedRun, Row

CLASSICAL: Final = "cross_entropy"


@dataclass(frozen=True, slots=True)
class TrainingAmounts:
    """How much data a run was trained on."""

    images: int
    annotated: int
    """Training images whose human map was used; 0 for an objective that uses none."""
    annotations: float | None
    """Annotations behind those maps; None where the dataset's folder is gone."""

    @property
    def annotators(self) -> float | None:
        """Annotations per annotated image."""
        return self.annotations / self.annotated if self.annotations and self.annotated else None


def training_amounts(result: FinishedRun) -> TrainingAmounts | None:
    """The data of a run; None where its `started` event is missing."""
    if result.started is None:
        return None
    images = result.started.images.get("train", 0)
    if not uses_maps(result):
        return TrainingAmounts(images, 0, None)
    annotated, annotators = result.started.with_map, _annotators(result)
    annotations = float(np.mean(annotators) * annotated) if len(annotators) else None
    return TrainingAmounts(images, annotated, annotations)


def uses_maps(result: FinishedRun) -> bool:
    """Whether its objective compares with human maps, not with none or with control maps."""
    return result.config.objective.needs_maps and result.config.maps == "human"


def guidance_table(results: Iterable[FinishedRun]) -> list[Row]:
    """One row per run: the amounts of its training data, and its AUC."""
    rows = []
    for result in results:
        amounts = training_amounts(result)
        if amounts is not None:
            rows.append(
                {
                    "architecture": result.config.architecture,
                    "scenario": result.config.scenario_name,
                    "objective": result.config.objective.name,
                    "dataset": result.folder.record().get("dataset", {}).get("id", ""),
                    "seed": result.config.seed,
                    "images": amounts.images,
                    "annotated": amounts.annotated,
                    "annotations": amounts.annotations,
                    "annotators": amounts.annotators,
                    "auc": result.metrics.get("auc"),
                }
            )
    return rows


def efficiency_table(rows: Sequence[Row]) -> list[Row]:
    """One row per architecture, dataset and scenario with maps: the images with which cross-entropy equals
    it.

    rows : of `guidance_table`
    `matching_images` is read off the classical curve, linear in the logarithm of the images. `bound` is
    `exact` between two measured points, `more` above all (then the largest set is given), `fewer` below all
    (the smallest), and empty without a classical run. `factor` is matching_images / images.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["annotated"]:
            key = (row["architecture"], row["scenario"], row["dataset"])
            groups.setdefault(key, []).append(row)
    return [_efficiency(group, classical_curve(rows, key[0])) for key, group in sorted(groups.items())]


def _efficiency(rows: Sequence[Row], curve: Sequence[tuple[int, float]]) -> Row:
    mean, sd, seeds = mean_sd([row["auc"] for row in rows])
    images = rows[0]["images"]
    matching, bound = _match(curve, mean)
    return {
        "architecture": rows[0]["architecture"],
        "scenario": rows[0]["scenario"],
        "dataset": rows[0]["dataset"],
        "seeds": seeds,
        "images": images,
        "annotated": mean_sd([row["annotated"] for row in rows])[0],
        "annotations": mean_sd([row["annotations"] for row in rows])[0],
        "auc": mean,
        "sd": sd,
        "matching_images": matching,
        "bound": bound,
        "factor": matching / images if matching and images else None,
    }


def classical_curve(rows: Iterable[Row], architecture: str) -> list[tuple[int, float]]:
    """Training images and mean AUC of cross-entropy, the fewest images first; empty without such a run."""
    by_images: dict[int, list[float | None]] = {}
    for row in rows:
        if row["architecture"] == architecture and row["objective"] == CLASSICAL and row["images"]:
            by_images.setdefault(row["images"], []).append(row["auc"])
    means = [(images, mean_sd(values)[0]) for images, values in sorted(by_images.items())]
    return [(images, mean) for images, mean in means if mean is not None]


def _match(curve: Sequence[tuple[int, float]], auc: float | None) -> tuple[float | None, str]:
    if not curve or auc is None:
        return None, ""
    sizes, aucs = zip(*curve, strict=True)
    if auc > max(aucs):
        return float(sizes[-1]), "more"
    if auc < min(aucs):
        return float(sizes[0]), "fewer"
    for (few, low), (many, high) in pairwise(curve):
        if min(low, high) <= auc <= max(low, high):
            share = 0.0 if high == low else (auc - low) / (high - low)
            return float(np.exp(np.log(few) + share * (np.log(many) - np.log(few)))), "exact"
    return float(sizes[0]), "exact"  # a single point, which it equals


def _annotators(result: FinishedRun) -> tuple[int, ...]:
    home = read_json(result.folder.root / "run.json").get("dataset", {}).get("path")
    return _counts(Path(home), result.config.train_splits) if home else ()


@lru_cache(maxsize=64)
def _counts(dataset: Path, splits: tuple[str, ...]) -> tuple[int, ...]:
    """Annotators of each training image with a map; empty where the folder is gone or damaged."""
    try:
        with (dataset / "samples.csv").open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["split"] in splits and row["map"]]
            return tuple(int(row["annotators"]) for row in rows)
    except (OSError, KeyError, TypeError, ValueError):
        return ()
