"""The tables of a report: one row per run, scenario, source, epoch or point of a curve. No torch."""

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from accuracy.statistics.means import mean_interval, mean_sd
from accuracy.statistics.multiple_tests import holm
from saliency.files.spreadsheets import cell
from training.evaluation.score_summary import GRID, ScoreSummary
from training.evaluation.score_table import POOLED, SCORE
from training.files import read_json
from training.reporting.finished_runs import OTHER, ExternalDetector, FinishedRun, Row, by_scenario


def _head(result: FinishedRun) -> Row:
    return {
        "run": result.folder.root.name,
        "architecture": result.config.architecture,
        "scenario": result.config.scenario_name,
        "seed": result.config.seed,
    }


def run_table(results: Iterable[FinishedRun]) -> list[Row]:
    """One row per run: its metrics, and DeLong's interval of its AUC."""
    rows = []
    for result in results:
        pooled = result.score_summary.metrics[POOLED, result.config.score]
        config = result.config
        where = {"split": result.split, "best_epoch": result.best_epoch, "resize": config.resize}
        where |= {"cam_class": config.objective.cam_class, "cam_tensor": config.cam_tensor}
        where["map"] = config.map
        where["cautions"] = " ".join(result.cautions)
        interval = {name: pooled[name] for name in ("auc_low", "auc_high")}
        rows.append({**_head(result), **where, **interval, **result.metrics})
    return rows


def score_table(results: Iterable[FinishedRun], detectors: Iterable[ExternalDetector] = ()) -> list[Row]:
    """Every metric of docs/evaluation.md: one row per run, source and kind of score."""
    rows = [
        {**_head(result), "split": result.split, "source": source, "score": kind, **values}
        for result in results
        for (source, kind), values in result.score_summary.metrics.items()
    ]
    return rows + [
        {**_external_head(detector), "source": source, "score": kind, **values}
        for detector in detectors
        for (source, kind), values in detector.score_summary.metrics.items()
    ]


def _external_head(detector: ExternalDetector) -> Row:
    return {
        "run": detector.name,
        "architecture": OTHER,
        "scenario": detector.name,
        "seed": None,
        "split": "test",
    }


def source_table(results: Iterable[FinishedRun], detectors: Iterable[ExternalDetector] = ()) -> list[Row]:
    """Mean and standard deviation over seeds: one row per scenario, source, kind of score and metric."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in score_table(results, detectors):
        key = tuple(row[name] for name in ("architecture", "scenario", "source", "score"))
        groups.setdefault(key, []).append(row)
    rows = []
    for (architecture, scenario, source, kind), group in groups.items():
        head = {"architecture": architecture, "scenario": scenario, "source": source, "score": kind}
        named = [
            name for name in group[0] if name not in {*head, "run", "seed", "split", "auc_low", "auc_high"}
        ]
        for name in named:
            mean, sd, seeds = mean_sd([row[name] for row in group])
            rows.append({**head, "metric": name, "seeds": seeds, "mean": mean, "sd": sd})
    return rows


def image_table(results: Iterable[FinishedRun]) -> list[Row]:
    """What the numbers rest on: images of each source, by split; once for runs that saw the same ones."""
    rows: dict[tuple[object, ...], Row] = {}
    for result in results:
        for source, (real, fake) in result.score_summary.images.items():
            row = {"split": result.split, "source": source, "real": real, "fake": fake}
            known = rows.setdefault(tuple(row.values()), {**row, "runs": 0})
            known["runs"] += 1
    return list(rows.values())


def degraded_table(results: Iterable[FinishedRun]) -> list[Row]:
    """One row per run, evaluation and degradation, as `evaluate --degrade` wrote them."""
    return [
        {**_head(result), "evaluation": path.parent.name, "split": stored["split"], **row}
        for result in results
        for path in sorted(result.folder.root.glob("evaluations/*/degraded-*.json"))
        for stored in [read_json(path)]
        for row in stored["rows"]
    ]


def summary_table(results: Iterable[FinishedRun], detectors: Iterable[ExternalDetector] = ()) -> list[Row]:
    """One row per architecture, scenario and metric: mean and standard deviation over seeds."""
    rows = []
    for (architecture, scenario), runs in by_scenario(results).items():
        for name in runs[0].metrics:
            mean, sd, seeds = mean_sd([run.metrics.get(name) for run in runs])
            head = {"architecture": architecture, "scenario": scenario, "metric": name}
            rows.append({**head, "seeds": seeds, "mean": mean, "sd": sd})
    for detector in detectors:
        for name, value in detector.score_summary.metrics[POOLED, SCORE].items():
            head = {"architecture": OTHER, "scenario": detector.name, "metric": name}
            rows.append({**head, "seeds": int(value is not None), "mean": value, "sd": None})
    return rows


def paired_table(results: Iterable[FinishedRun], *, metric: str = "auc") -> list[Row]:
    """The difference between each two scenarios of an architecture, over the seeds that both have.

    p is of a paired t-test, `p_holm` is corrected among the pairs of the architecture. Both are None with
    fewer than two common seeds. Runs that left out a generator, or the later ones, are compared, and
    corrected, among themselves: `left_out_table` and `year_table` compare them with the others.
    """
    groups = by_scenario(results)
    families: dict[tuple[str, str, str | None], list[str]] = {}
    for (architecture, scenario), runs in groups.items():
        config = runs[0].config
        families.setdefault((architecture, config.leave_out, config.train_until), []).append(scenario)
    rows: list[Row] = []
    for (architecture, *_), names in families.items():
        pairs = [
            _pair(groups, architecture, first, second, metric) for first, second in combinations(names, 2)
        ]
        for row, corrected in zip(pairs, holm([row["p"] for row in pairs]), strict=True):
            rows.append({**row, "p_holm": corrected})
    return rows


def _pair(
    groups: dict[tuple[str, str], list[FinishedRun]], architecture: str, first: str, second: str, metric: str
) -> Row:
    by_seed = [_by_seed(groups[architecture, name], metric) for name in (first, second)]
    seeds = sorted(by_seed[0].keys() & by_seed[1].keys())
    differences = [by_seed[1][seed] - by_seed[0][seed] for seed in seeds]
    _, sd, count = mean_sd(differences)
    mean = mean_interval(differences)
    return {
        "architecture": architecture,
        "one": first,
        "two": second,
        "metric": metric,
        "seeds": count,
        "two_minus_one": mean.value,
        "sd": sd,
        "low": mean.low,
        "high": mean.high,
        "p": mean.p,
    }


def _by_seed(runs: Iterable[FinishedRun], metric: str) -> dict[int, float]:
    values = {run.config.seed: run.metrics.get(metric) for run in runs}
    return {seed: value for seed, value in values.items() if value is not None}


def epoch_table(results: Iterable[FinishedRun]) -> list[Row]:
    """One row per run and epoch: learning rate, loss, accuracies, and entropies of the maps."""
    names = ("lr", "train_accuracy", "val_accuracy", "cam_entropy", "human_entropy", "max_entropy")
    return [
        {
            **_head(result),
            "epoch": epoch.epoch,
            "loss": epoch.terms.get("loss"),
            **{name: getattr(epoch, name) for name in names},
        }
        for result in results
        for epoch in result.epochs
    ]


def roc_table(results: Iterable[FinishedRun], detectors: Iterable[ExternalDetector] = ()) -> list[Row]:
    """The mean ROC curve over seeds, per scenario and source, on an even grid of rates.

    Sources are all images, each generator, and each camera set where there are several.

    `given` names the rate of the grid, `fpr` or `tpr`; the other rate is a mean over seeds, with its standard
    deviation `sd` and standard error `se`, both None for one seed.
    """
    rows = []
    for (architecture, scenario), runs in by_scenario(results).items():
        scores = [(run.score_summary, run.config.score) for run in runs]
        rows += _mean_rocs({"architecture": architecture, "scenario": scenario}, scores)
    for detector in detectors:
        rows += _mean_rocs(
            {"architecture": OTHER, "scenario": detector.name}, [(detector.score_summary, SCORE)]
        )
    return rows


def _mean_rocs(head: Row, scores: Sequence[tuple[ScoreSummary, str]]) -> list[Row]:
    rows: list[Row] = []
    sources = dict.fromkeys(
        source for summary, _ in scores for source in (POOLED, *summary.generators, *summary.cameras)
    )
    for source in sources:
        keys = [(summary, (source, kind)) for summary, kind in scores]
        curves = [summary.curves[key] for summary, key in keys if key in summary.curves]
        for given, other in (("fpr", "tpr"), ("tpr", "fpr")):
            stack = [getattr(curve, other) for curve in curves]
            row_head = {**head, "source": source, "given": given, "seeds": len(curves)}
            rows += [{**row_head, given: x, other: y, **spread} for x, y, spread in _points(stack)]
    return rows


def _points(curves: Sequence[Any]) -> list[tuple[float, float, Row]]:
    if not curves:
        return []
    stack = np.stack(curves)
    means = stack.mean(axis=0).tolist()
    if len(curves) == 1:
        return [(x, y, {"sd": None, "se": None}) for x, y in zip(GRID.tolist(), means, strict=True)]
    deviations = stack.std(axis=0, ddof=1).tolist()
    return [
        (x, y, {"sd": sd, "se": sd / len(curves) ** 0.5})
        for x, y, sd in zip(GRID.tolist(), means, deviations, strict=True)
    ]


def reliability_table(
    results: Iterable[FinishedRun], detectors: Iterable[ExternalDetector] = ()
) -> list[Row]:
    """Reliability curves: one row per run, kind of score and bin that holds an image."""
    summaries = [(_head(result), result.score_summary) for result in results]
    summaries += [(_external_head(detector), detector.score_summary) for detector in detectors]
    return [
        {
            **{name: head[name] for name in ("run", "architecture", "scenario", "seed")},
            "score": kind,
            "predicted": float(predicted),
            "observed": float(observed),
            "images": int(images),
        }
        for head, summary in summaries
        for kind, curve in summary.reliability.items()
        for predicted, observed, images in zip(curve.predicted, curve.observed, curve.counts, strict=True)
    ]


def to_csv(rows: Sequence[Row]) -> str:
    """CSV with a column for every key of any row; None is an empty field.

    Text that a spreadsheet would take for a formula is escaped: `saliency.files.spreadsheets`.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _field(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _field(value: object) -> object:
    if value is None:
        return ""
    return cell(value) if isinstance(value, str) else value
