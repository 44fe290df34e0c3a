"""The published numbers of both papers, and a comparison with runs. No torch.

Numbers are areas under the ROC curve by the sigmoid of the fake logit, over six unseen generators, mean and
standard deviation of ten runs. A number that a paper shows only in a plot is not here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from accuracy.statistics.means import mean_sd
from training.evaluation.score_table import POOLED
from training.reporting.finished_runs import FinishedRun, Row, by_scenario, cautions_of, is_simulated

WACV: Final = "CYBORG, WACV 2023"
DROID: Final = "DROID, 2023"


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """One number of a paper, and the scenario that repeats it."""

    paper: str
    architecture: str
    scenario: str
    """Name of the scenario in the recipe that repeats it; empty where none does."""
    mean: float
    sd: float | None
    what: str


PUBLISHED: Final = (
    PublishedResult(WACV, "resnet50", "classical", 0.537, 0.09, "cross-entropy"),
    PublishedResult(WACV, "resnet50", "classical_more_data", 0.585, 0.04, "cross-entropy, 7 × the data"),
    PublishedResult(WACV, "resnet50", "cyborg", 0.612, 0.05, "CYBORG"),
    PublishedResult(WACV, "", "", 0.554, 0.03, "CNNDetection, as published"),
    PublishedResult(WACV, "", "", 0.591, 0.03, "CNNDetection with the CYBORG loss"),
    PublishedResult(WACV, "", "", 0.428, 0.04, "attention of Dang et al."),
    PublishedResult(WACV, "", "", 0.498, 0.06, "attention of Dang et al. with human maps"),
    PublishedResult(WACV, "", "", 0.385, None, "Bonettini et al., trained on DFDC"),
    PublishedResult(WACV, "", "", 0.373, None, "Bonettini et al., trained on FF++"),
    PublishedResult(DROID, "densenet121", "cross_entropy", 0.561, 0.05, "cross-entropy"),
    PublishedResult(DROID, "densenet121", "cyborg", 0.636, 0.02, "CYBORG"),
    PublishedResult(DROID, "densenet121", "hseb", 0.710, 0.02, "HSEB"),
    PublishedResult(DROID, "densenet121", "droid", 0.731, 0.05, "DROID"),
    PublishedResult(DROID, "densenet121", "fmmmse", 0.758, 0.03, "FMMMSE"),
    PublishedResult(DROID, "densenet121", "cyborg_droid", 0.775, 0.02, "CYBORG + DROID"),
)


def comparison(results: Iterable[FinishedRun]) -> list[Row]:
    """Every published number beside the runs that repeat it, then every scenario that no paper has.

    Runs repeat a number when architecture and scenario have its names. Equal names are not equal experiments:
    `ran` says with which data, epochs and weights the runs were trained.
    """
    ours = by_scenario(results)
    rows = []
    used = set()
    for published in PUBLISHED:
        key = (published.architecture, published.scenario)
        used.add(key)
        head = {"paper": published.paper, "architecture": published.architecture, "what": published.what}
        theirs = {"theirs": published.mean, "theirs_sd": published.sd}
        rows.append({**head, **theirs, **_ours(ours.get(key, []))})
    for key, runs in ours.items():
        if key not in used:
            head = {"paper": "", "architecture": key[0], "what": key[1]}
            rows.append({**head, "theirs": None, "theirs_sd": None, **_ours(runs)})
    return rows


def _ours(runs: Sequence[FinishedRun]) -> Row:
    if not runs:
        return {"ours": None, "ours_sd": None, "seeds": 0, "ran": "not run"}
    values = [run.score_summary.metrics[POOLED, "sigmoid"]["auc"] for run in runs]
    mean, sd, seeds = mean_sd(values)
    return {"ours": mean, "ours_sd": sd, "seeds": seeds, "ran": _how(runs)}


def _how(runs: Sequence[FinishedRun]) -> str:
    """Data, epochs and weights of the runs, where they may differ from the paper's."""
    config, started = runs[0].config, runs[0].started
    dataset = runs[0].folder.record().get("dataset", {})
    parts = [
        f"{dataset.get('study') or 'an unknown study'}",
        f"{started.images.get('train', '?') if started else '?'} training images",
        f"{int(runs[0].metrics.get('images') or 0)} {runs[0].split} images",
        f"{config.epochs} epochs",
        "pretrained weights" if config.weights not in {"none", ""} else "no pretrained weights",
        *(["simulated annotators"] if is_simulated(runs) else []),
    ]
    return ". ".join([", ".join(parts), *(sentence.rstrip(".") for sentence in cautions_of(runs))])


def as_markdown(rows: Sequence[Row]) -> str:
    """The table of docs/reproduce.md."""
    lines = [
        "| paper | network | what | theirs | ours | seeds | what ours was |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        theirs, ours = (_plus_minus(row[name], row[f"{name}_sd"]) for name in ("theirs", "ours"))
        cells = [row["paper"], row["architecture"], row["what"], theirs, ours, str(row["seeds"]), row["ran"]]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _plus_minus(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split()) or "–"
