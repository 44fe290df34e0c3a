"""Numbers and pictures of runs, arranged as the pages show them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.experiments.service import ExperimentResults, ResultCell
from app.models import Dataset, JobState, Run
from training.reporting.finished_runs import OTHER


@dataclass(frozen=True, slots=True)
class ResultGrid:
    """Results as a table: architectures down, scenarios across."""

    architectures: list[str]
    scenarios: list[str]
    cells: dict[tuple[str, str], ResultCell]

    @staticmethod
    def of(results: ExperimentResults) -> "ResultGrid":
        cells = {(cell.architecture, cell.scenario): cell for cell in results.cells}
        architectures = list(dict.fromkeys(cell.architecture for cell in results.cells))
        scenarios = list(dict.fromkeys(cell.scenario for cell in results.cells))
        return ResultGrid(architectures, scenarios, cells)


@dataclass(frozen=True, slots=True)
class SourceAuc:
    """AUC of one source against the other class, by split; None where it is not defined."""

    source: str
    by_split: Mapping[str, float | None]


def aucs_by_source(metrics: Mapping[str, Any] | None, score: str) -> list[SourceAuc]:
    """From a run's flat metrics `<split>/auc_<score>/<source>`; nothing for a run without metrics."""
    aucs: dict[str, dict[str, float | None]] = {}
    for name, value in (metrics or {}).items():
        split, _, metric = name.partition("/")
        kind, _, source = metric.partition("/")
        if kind == f"auc_{score}" and source:
            aucs.setdefault(source, {})[split] = value
    return [SourceAuc(source, by_split) for source, by_split in sorted(aucs.items())]


AVERAGE_MAPS: Final = ("average_human", "average_all", "average_real", "average_fake")
"""Pictures of a run's maps folder that pages show."""
GALLERY_RUNS: Final = 10


def galleries_of(runs: Sequence[Run]) -> dict[tuple[str, str], list[Run]]:
    """Finished runs by architecture and scenario, at most ten of each: the paper's grid of average maps."""
    galleries: dict[tuple[str, str], list[Run]] = {}
    for run in sorted(runs, key=lambda run: (run.architecture, run.scenario, run.seed)):
        if run.state is JobState.SUCCEEDED and (Path(run.folder) / "maps" / "average_all.png").is_file():
            gallery = galleries.setdefault((run.architecture, run.scenario), [])
            if len(gallery) < GALLERY_RUNS:
                gallery.append(run)
    return galleries


SOURCE_METRICS: Final = {
    "auc": "AUC",
    "ap": "AP",
    "eer": "EER",
    "tpr_at_fpr_0.01": "TPR at FPR 1 %",
    "tpr_at_fpr_0.005": "TPR at FPR 0.5 %",
    "apcer_at_bpcer_0.05": "APCER at BPCER 5 %",
    "acer": "ACER",
    "brier": "Brier",
    "calibration_error": "ECE",
}
"""Of all the numbers in scores.csv, those that a page shows."""


def by_source(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per detector, source and score, with (mean, deviation) of each number that the page shows."""
    lines: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        if row["metric"] in SOURCE_METRICS:
            key = tuple(row[name] for name in ("architecture", "scenario", "source", "score"))
            head = dict(zip(("architecture", "scenario", "source", "score"), key, strict=True))
            line = lines.setdefault(key, {**head, "seeds": row["seeds"], "values": {}})
            line["values"][row["metric"]] = (row["mean"], row["sd"])
    return list(lines.values())


def imported_aucs(summary: Iterable[Mapping[str, Any]]) -> list[tuple[str, float | None]]:
    """Each detector that was trained elsewhere, with its AUC."""
    return [
        (row["scenario"], row["mean"])
        for row in summary
        if row["architecture"] == OTHER and row["metric"] == "auc"
    ]


def is_simulated(dataset: Dataset) -> bool:
    """Whether any annotation behind the dataset's maps was made by a program."""
    return bool(dataset.parameters.get("simulated_annotations"))
