"""How much is an annotation worth? Accuracy against what a run was given, and the plain data that equal it.

A run with a map term was given some annotated images; one without was given images alone. The classical
learning curve (mean AUC of cross-entropy runs over the number of their training images) tells how many plain
images a human-guided AUC amounts to: the paper's seven-fold data are two points of it.
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
    """What a run learnt from."""

    images: int
    annotated: int
    """Training images whose human map was used; 0 for an objective that uses none."""
    annotations: float | None
    """Annotations behind those maps; None where the dataset no longer tells."""

    @property
    def annotators(self) -> float | None:
        """Annotations per annotated image."""
        return self.annotations / self.annotated if self.annotations and self.annotated else None


def training_amounts(result: FinishedRun) -> TrainingAmounts | None:
    """None for a run whose record of its start is gone."""
    if result.started is None:
        return None
    images = result.started.images.get("train", 0)
    if not uses_maps(result):
        return TrainingAmounts(images, 0, None)
    used, known = result.started.with_map, _annotators(result)
    annotations = float(np.mean(known) * used) if len(known) else None
    return TrainingAmounts(images, used, annotations)


def uses_maps(result: FinishedRun) -> bool:
    """Whether its objective looks at human maps, rather than at none or at a stand-in for them."""
    return result.config.objective.needs_maps and result.config.maps == "human"


def guidance_table(results: Iterable[FinishedRun]) -> list[Row]:
    """One row per run: what it was given, and the AUC that came of it."""
    rows = []
    for result in results:
        given = training_amounts(result)
        if given is not None:
            rows.append(
                {
                    "architecture": result.config.architecture,
                    "scenario": result.config.scenario_name,
                    "objective": result.config.objective.name,
                    "dataset": result.folder.record().get("dataset", {}).get("id", ""),
                    "seed": result.config.seed,
                    "images": given.images,
                    "annotated": given.annotated,
                    "annotations": given.annotations,
                    "annotators": given.annotators,
                    "auc": result.metrics.get("auc"),
                }
            )
    return rows


def efficiency_table(rows: Sequence[Row]) -> list[Row]:
    """One row per architecture, dataset and scenario with maps: the plain data that reach its mean AUC.

    rows : of `guidance_table`
    `matching_images` is read off the classical curve, linear in the logarithm of the images; `bound` says
    `exact` between two measured points, `more` above the best of them (then it is the largest set tried),
    `fewer` below all, and is empty without a classical run.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["annotated"]:
            key = (row["architecture"], row["scenario"], row["dataset"])
            groups.setdefault(key, []).append(row)
    return [_efficiency(own, classical_curve(rows, key[0])) for key, own in sorted(groups.items())]


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
    """Training images and mean AUC of plain cross-entropy, the fewest images first."""
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
    """Annotators of each training image that has a map; nothing where the folder is gone or damaged."""
    try:
        with (dataset / "samples.csv").open(newline="", encoding="utf-8") as stream:
            rows = [row for row in csv.DictReader(stream) if row["split"] in splits and row["map"]]
            return tuple(int(row["annotators"]) for row in rows)
    except (OSError, KeyError, TypeError, ValueError):
        return ()
