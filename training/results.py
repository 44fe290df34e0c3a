"""Finished runs, read back, and the tables made of them. No torch, no figures."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.config import RunConfig
from training.errors import RunError
from training.events import Epoch, Metrics
from training.folder import RunFolder, read_json
from training.metrics import roc
from training.statistics import auc_interval, holm, mean_sd, paired_p

Floats = NDArray[np.float64]
Row = dict[str, Any]

FPR_GRID = np.linspace(0, 1, 201)
POOLED = "all"


@dataclass(frozen=True, slots=True)
class Result:
    """One finished run."""

    folder: RunFolder
    config: RunConfig
    best_epoch: int
    splits: dict[str, Metrics]
    epochs: tuple[Epoch, ...]

    @property
    def column(self) -> tuple[str, str]:
        """Architecture and scenario: what the seeds of a table cell have in common."""
        return self.config.architecture, self.config.column

    @property
    def split(self) -> str:
        """The split that counts: test, or validation where there is no test split."""
        return "test" if "test" in self.splits else "val"

    @property
    def metrics(self) -> Metrics:
        """The metrics of the split that counts."""
        return self.splits[self.split]


def gather(runs_dir: Path) -> list[Result]:
    """All finished runs below a folder, by name; unfinished ones are left out."""
    folders = sorted(path.parent for path in Path(runs_dir).rglob("run.json"))
    finished = [RunFolder(folder) for folder in folders if RunFolder(folder).is_finished]
    if not finished:
        raise RunError(f"{runs_dir} holds no finished run.")
    return [_read(folder) for folder in finished]


def _read(folder: RunFolder) -> Result:
    stored = read_json(folder.metrics)
    return Result(folder, folder.config(), stored["best_epoch"], stored["splits"], tuple(folder.epochs()))


def columns(results: Iterable[Result]) -> dict[tuple[str, str], list[Result]]:
    """Runs by architecture and scenario, seeds in order."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in sorted(results, key=lambda result: (*result.column, result.config.seed)):
        groups.setdefault(result.column, []).append(result)
    return groups


def run_table(results: Iterable[Result]) -> list[Row]:
    """One row per run, with DeLong's interval for its AUC and every metric it has."""
    return [_run_row(result) for result in results]


def _run_row(result: Result) -> Row:
    scores, fake, _ = read_scores(result)
    interval = auc_interval(scores, fake) or (None, None)
    head = {
        "run": result.folder.root.name,
        "architecture": result.config.architecture,
        "scenario": result.config.column,
        "seed": result.config.seed,
        "split": result.split,
        "best_epoch": result.best_epoch,
        "auc_low": interval[0],
        "auc_high": interval[1],
    }
    return head | result.metrics


def summary_table(results: Iterable[Result]) -> list[Row]:
    """One row per architecture, scenario and metric: mean and standard deviation over seeds."""
    rows = []
    for (architecture, scenario), runs in columns(results).items():
        for name in runs[0].metrics:
            mean, sd, seeds = mean_sd([run.metrics.get(name) for run in runs])
            head = {"architecture": architecture, "scenario": scenario, "metric": name}
            rows.append({**head, "seeds": seeds, "mean": mean, "sd": sd})
    return rows


def paired_table(results: Iterable[Result], *, metric: str = "auc") -> list[Row]:
    """Each pair of scenarios of an architecture, over the seeds that both have; p after Holm within it."""
    groups = columns(results)
    rows: list[Row] = []
    for architecture in dict.fromkeys(key[0] for key in groups):
        names = [scenario for found, scenario in groups if found == architecture]
        pairs = [_pair(groups, architecture, one, two, metric) for one, two in combinations(names, 2)]
        for row, corrected in zip(pairs, holm([row["p"] for row in pairs]), strict=True):
            rows.append({**row, "p_holm": corrected})
    return rows


def _pair(
    groups: dict[tuple[str, str], list[Result]], architecture: str, one: str, two: str, metric: str
) -> Row:
    by_seed = [_by_seed(groups[architecture, name], metric) for name in (one, two)]
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    first, second = ([values[seed] for seed in seeds] for values in by_seed)
    difference, sd, count = mean_sd([b - a for a, b in zip(first, second, strict=True)])
    head = {"architecture": architecture, "one": one, "two": two, "metric": metric, "seeds": count}
    return {**head, "two_minus_one": difference, "sd": sd, "p": paired_p(first, second)}


def _by_seed(runs: Iterable[Result], metric: str) -> dict[int, float]:
    found = {run.config.seed: run.metrics.get(metric) for run in runs}
    return {seed: value for seed, value in found.items() if value is not None}


def epoch_table(results: Iterable[Result]) -> list[Row]:
    """One row per run and epoch: accuracies, loss, and entropy beside the human and the largest one."""
    names = ("lr", "train_accuracy", "val_accuracy", "cam_entropy", "human_entropy", "max_entropy")
    return [
        {
            "run": result.folder.root.name,
            "architecture": result.config.architecture,
            "scenario": result.config.column,
            "seed": result.config.seed,
            "epoch": epoch.epoch,
            "loss": epoch.terms.get("loss"),
            **{name: getattr(epoch, name) for name in names},
        }
        for result in results
        for epoch in result.epochs
    ]


def roc_table(results: Iterable[Result]) -> list[Row]:
    """Mean true positive rate over seeds and its deviation, per column and generator, on an even grid."""
    rows = []
    for (architecture, scenario), runs in columns(results).items():
        for source in (POOLED, *_generators(runs[0])):
            curves = [curve for run in runs if (curve := _curve(run, source)) is not None]
            if curves:
                rows += _roc_rows(architecture, scenario, source, np.stack(curves))
    return rows


def _roc_rows(architecture: str, scenario: str, source: str, curves: Floats) -> list[Row]:
    sd = curves.std(axis=0, ddof=1) if len(curves) > 1 else np.zeros(len(FPR_GRID))
    head = {"architecture": architecture, "scenario": scenario, "source": source, "seeds": len(curves)}
    points = zip(FPR_GRID, curves.mean(axis=0), sd, strict=True)
    return [{**head, "fpr": float(x), "tpr": float(y), "sd": float(s)} for x, y, s in points]


def _generators(result: Result) -> list[str]:
    _, fake, sources = read_scores(result)
    return sorted(set(sources[fake].tolist()))


def _curve(result: Result, source: str) -> Floats | None:
    scores, fake, sources = read_scores(result)
    keep = np.ones(len(fake), bool) if source == POOLED else ~fake | (sources == source)
    curve = roc(scores[keep], fake[keep])
    if curve is None:
        return None
    grid = np.interp(FPR_GRID, *curve)
    grid[0] = 0.0
    return np.asarray(grid, np.float64)


def read_scores(result: Result) -> tuple[Floats, NDArray[np.bool_], NDArray[np.str_]]:
    """Ranking score of the headline kind, truth, and source of each image of the split that counts."""
    path = result.folder.scores / f"{result.split}.csv"
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        fake_logits = np.array([float(row["logit_fake"]) for row in rows])
        real_logits = np.array([float(row["logit_real"]) for row in rows])
        fake = np.array([row["label"] == "fake" for row in rows], bool)
        sources = np.array([row["source"] for row in rows], np.str_)
    except (OSError, KeyError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.") from None
    chosen = fake_logits if result.config.score == "sigmoid" else fake_logits - real_logits
    return chosen, fake, sources


def to_csv(rows: Sequence[Row]) -> str:
    """CSV with a column for every key that any row has; an undefined number is an empty field."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    return text.getvalue()
