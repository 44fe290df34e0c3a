"""The figures of both papers as data, which `plotly_figures` and `matplotlib_figures` draw. No torch.

A figure shows the runs of one architecture, with external detectors beside them. A scenario has the same
colour in every figure of an experiment.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Literal, assert_never

import numpy as np

from accuracy.statistics.means import mean_sd
from training.evaluation.score_table import POOLED
from training.reporting.finished_runs import OTHER, FinishedRun, Row, about_maps, by_scenario

Dash = Literal["solid", "dot", "dash"]
Numbers = Sequence[float]

AGREEMENTS: Final = {
    "spearman": "Rank correlation of the pixels",
    "iou": "IoU of the brightest 10 %",
    "dice": "Dice of the brightest 10 %",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A curve; `spread` is half the height of the band around it, or half its width where `sideways`.

    Where the bars of `marks` are not even, `spread` is how far they go up, and `below` how far down.
    """

    name: str
    style: int
    x: Numbers
    y: Numbers
    spread: Numbers | None = None
    sideways: bool = False
    dash: Dash = "solid"
    marks: bool = False
    """Show the points, which are few."""
    below: Numbers | None = None


@dataclass(frozen=True, slots=True)
class Points:
    """Single runs, not joined."""

    name: str
    style: int
    x: Numbers
    y: Numbers
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class BoxPlot:
    """A box over runs, with every run beside it.

    Of fewer than five runs only the runs: the quartiles of four values are no summary. Notched (95 % interval
    of the median) from eight runs on: of fewer the notch is longer than the box.
    """

    name: str
    style: int
    values: Numbers

    @property
    def few(self) -> bool:
        return len(self.values) < 5

    @property
    def notched(self) -> bool:
        return len(self.values) > 7 and len(set(self.values)) > 1


@dataclass(frozen=True, slots=True)
class ErrorBar:
    """One value of a category, with a bar of ± `spread`."""

    name: str
    style: int
    value: float
    spread: float | None


@dataclass(frozen=True, slots=True)
class HorizontalLine:
    """A horizontal line across the figure."""

    name: str
    y: float
    below: bool = False
    """Write the name under the line."""


Mark = Line | Points | BoxPlot | ErrorBar | HorizontalLine


@dataclass(frozen=True, slots=True)
class FigureSpec:
    """A figure as data. `key` is its file name; without marks, `note` says why there is nothing to show."""

    key: str
    title: str
    x: str
    y: str
    marks: tuple[Mark, ...]
    note: str = ""
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    logarithmic: bool = False
    """The x axis."""
    square: bool = False
    source: str = ""
    """The generator or camera set of the figure; empty for all images."""


@dataclass(frozen=True, slots=True)
class FigureTables:
    """The tables behind the figures of one architecture, with those of external detectors."""

    architecture: str
    runs: tuple[FinishedRun, ...]
    epochs: Sequence[Row] = field(default_factory=tuple)
    roc: Sequence[Row] = field(default_factory=tuple)
    reliability: Sequence[Row] = field(default_factory=tuple)
    stability: Sequence[Row] = field(default_factory=tuple)
    guidance: Sequence[Row] = field(default_factory=tuple)
    styles: dict[str, int] = field(default_factory=dict)
    """Colour of each scenario and of each other detector."""

    @property
    def score(self) -> str:
        return self.runs[0].config.score if self.runs else "sigmoid"

    @property
    def sources(self) -> list[str]:
        """`all`, then each generator and camera set that has a curve."""
        return sorted({row["source"] for row in self.roc}, key=lambda source: (source != POOLED, source))


def styles_of(results: Iterable[FinishedRun], others: Iterable[str] = ()) -> dict[str, int]:
    """A colour number for each scenario, ordered by name, then for each external detector."""
    names = [*sorted({result.config.scenario_name for result in results}), *others]
    return {name: index for index, name in enumerate(dict.fromkeys(names))}


def figures(tables: FigureTables) -> list[FigureSpec]:
    """Every figure of an architecture: those over all images first, then one ROC per source."""
    makers: tuple[Callable[[FigureTables], FigureSpec], ...] = (
        roc_figure,
        roc_se_figure,
        box_figure,
        accuracy_figure,
        *(_of_maps(make) for make in (entropy_figure, entropy_auc_figure, stability_figure)),
        reliability_figure,
        annotated_figure,
        annotators_figure,
        data_figure,
    )
    per_source = [roc_figure(tables, source=source) for source in tables.sources if source != POOLED]
    agreements = [_of_maps(partial(_agreement, measure=m, words=w))(tables) for m, w in AGREEMENTS.items()]
    every = [*(make(tables) for make in makers), *agreements, *per_source]
    return [_with_something_to_compare(figure) for figure in every]


def _with_something_to_compare(figure: FigureSpec) -> FigureSpec:
    """The figure, or a note in its place if it would show a single value."""
    values = {value for mark in figure.marks for value in _comparable(mark)}
    note = "There is one value so far; it is in the table."
    return replace(figure, marks=(), note=note) if len(values) == 1 else figure


def _comparable(mark: Mark) -> Iterator[object]:
    """What a reader can compare in a mark: positions on the axis, or values of a category."""
    match mark:
        case Line():
            yield from mark.x
        case Points():
            yield from zip(mark.x, mark.y, strict=True)
        case BoxPlot():
            yield from ((mark.name, index) for index in range(len(mark.values)))
        case ErrorBar():
            yield mark.name
        case HorizontalLine():
            return
        case _:
            assert_never(mark)


def _of_maps(make: Callable[[FigureTables], FigureSpec]) -> Callable[[FigureTables], FigureSpec]:
    """A figure about maps whose title names their tensor if it is not `pooled`."""

    def made(tables: FigureTables) -> FigureSpec:
        figure, about = make(tables), about_maps(tables.runs)
        return replace(figure, title=f"{figure.title}, {about}") if about else figure

    return made


def roc_figure(tables: FigureTables, *, source: str = POOLED) -> FigureSpec:
    """Mean ROC (CYBORG Fig. 5).

    The band is ± 1 sd over seeds of the false positive rate at a true positive rate, as in the paper.
    """
    of = "all images" if source == POOLED else source
    lines = _rocs(tables, source, given="tpr", spread="sd")
    figure = _roc(tables, f"roc-{_slug(source)}", f"ROC, {of}: mean ± 1 sd over seeds", lines)
    return figure if source == POOLED else replace(figure, source=source)


def roc_se_figure(tables: FigureTables) -> FigureSpec:
    """Mean ROC with the standard error of the true positive rate (DROID Fig. 7)."""
    lines = _rocs(tables, POOLED, given="fpr", spread="se")
    return _roc(tables, "roc-se", "ROC, all images: mean ± 1 standard error", lines)


def _roc(tables: FigureTables, key: str, title: str, lines: Sequence[Line]) -> FigureSpec:
    return FigureSpec(
        key=f"{key}-{_slug(tables.architecture)}",
        title=title,
        x="False positive rate",
        y="True positive rate",
        marks=tuple(lines),
        note="" if lines else "No run has scores of both classes.",
        x_range=(0, 1),
        y_range=(0, 1),
        square=True,
    )


def _rocs(tables: FigureTables, source: str, *, given: str, spread: str) -> list[Line]:
    lines = []
    for scenario, rows in _by(tables.roc, "scenario", source=source, given=given).items():
        other = rows[0]["architecture"] == OTHER
        widths = [row[spread] for row in rows]
        lines.append(
            Line(
                name=scenario,
                style=tables.styles.get(scenario, 0),
                x=[row["fpr"] for row in rows],
                y=[row["tpr"] for row in rows],
                spread=None if None in widths else widths,
                sideways=given == "tpr",
                dash="dash" if other else "solid",
            )
        )
    return lines


def accuracy_figure(tables: FigureTables) -> FigureSpec:
    """Training (dotted) and validation accuracy per epoch, mean ± 1 sd over seeds (CYBORG Fig. 6)."""
    lines: list[Mark] = []
    for scenario, rows in _by(tables.epochs, "scenario").items():
        style = tables.styles.get(scenario, 0)
        lines += _over_epochs(f"{scenario}, training", style, rows, "train_accuracy", dash="dot")
        lines += _over_epochs(f"{scenario}, validation", style, rows, "val_accuracy")
    return _of_epochs(tables, "accuracy", "Accuracy: mean ± 1 sd over seeds", "Accuracy", lines)


def entropy_figure(tables: FigureTables) -> FigureSpec:
    """Entropy of the model's maps per epoch, beside that of human maps and of a flat map (DROID Fig. 3)."""
    marks: list[Mark] = []
    for scenario, rows in _by(tables.epochs, "scenario").items():
        marks += _over_epochs(scenario, tables.styles.get(scenario, 0), rows, "cam_entropy")
    for name, word in {"human_entropy": "human maps", "max_entropy": "even map"}.items():
        mean, _, _ = mean_sd([row[name] for row in tables.epochs])
        if mean is not None and marks:
            marks.append(HorizontalLine(f"{word} {mean:.2f}", mean, below=name == "max_entropy"))
    return _of_epochs(
        tables, "entropy", "Entropy of the maps: mean ± 1 sd over seeds", "Entropy in nats", marks
    )


def _of_epochs(tables: FigureTables, key: str, title: str, y: str, marks: Sequence[Mark]) -> FigureSpec:
    note = "" if marks else "No run has finished an epoch."
    return FigureSpec(f"{key}-{_slug(tables.architecture)}", title, "Epoch", y, tuple(marks), note)


def _over_epochs(
    name: str, style: int, rows: Sequence[Row], column: str, *, dash: Dash = "solid"
) -> list[Line]:
    """Mean and deviation over seeds; epochs without a value are left out."""
    by_epoch: dict[int, list[float]] = {}
    for row in rows:
        if row[column] is not None:
            by_epoch.setdefault(row["epoch"], []).append(row[column])
    stats = {epoch: mean_sd(values) for epoch, values in sorted(by_epoch.items())}
    if not stats:
        return []
    means = [mean for mean, _, _ in stats.values() if mean is not None]
    deviations = [sd or 0.0 for _, sd, _ in stats.values()]
    return [Line(name, style, list(stats), means, deviations if any(deviations) else None, dash=dash)]


def entropy_auc_figure(tables: FigureTables) -> FigureSpec:
    """Entropy of each run's maps against its AUC (DROID Fig. 5)."""
    marks = []
    for scenario, runs in _scenarios(tables).items():
        known = [run for run in runs if None not in (run.metrics.get("cam_entropy"), run.metrics.get("auc"))]
        if known:
            x, y = ([run.metrics[name] or 0.0 for run in known] for name in ("cam_entropy", "auc"))
            labels = [f"seed {run.config.seed}" for run in known]
            marks.append(Points(scenario, tables.styles.get(scenario, 0), x, y, labels))
    return FigureSpec(
        key=f"entropy-auc-{_slug(tables.architecture)}",
        title="Entropy of the maps against AUC, one point per run",
        x="Entropy in nats",
        y="AUC",
        marks=tuple(marks),
        note="" if marks else "No run has both an entropy and an AUC.",
    )


def box_figure(tables: FigureTables) -> FigureSpec:
    """AUC over seeds; the notch is the 95 % interval of the median (DROID Fig. 6)."""
    boxes = _boxes(tables, "auc")
    note = "" if boxes else "No run has an AUC."
    return FigureSpec(f"auc-{_slug(tables.architecture)}", "AUC over seeds", "", "AUC", boxes, note)


def _agreement(tables: FigureTables, *, measure: str, words: str) -> FigureSpec:
    """Agreement of each run's maps with human maps, on the first split that has human maps."""
    split = _mapped_split(tables.runs)
    boxes = tuple(
        BoxPlot(scenario, tables.styles.get(scenario, 0), values)
        for scenario, runs in _scenarios(tables).items()
        if (values := _known(run.splits.get(split, {}).get(f"agreement_{measure}") for run in runs))
    )
    where = {"test": ", test images", "val": ", validation images", "train": ", training images"}.get(
        split, ""
    )
    return FigureSpec(
        key=f"agreement-{measure}-{_slug(tables.architecture)}",
        title=f"Agreement with the human maps{where}",
        x="",
        y=words,
        marks=boxes,
        note="" if boxes else "No image has a human map.",
    )


def _mapped_split(runs: Iterable[FinishedRun]) -> str:
    """Test before validation before training: agreement on images that were trained on is easier."""
    with_maps = {split for run in runs for split, values in run.splits.items() if values.get("with_map")}
    return next((split for split in ("test", "val", "train") if split in with_maps), "")


def stability_figure(tables: FigureTables) -> FigureSpec:
    """Rank correlation of the maps of runs that differ in their seed alone."""
    rows = [row for row in tables.stability if row["stability"] is not None]
    marks = tuple(
        ErrorBar(row["scenario"], tables.styles.get(row["scenario"], 0), row["stability"], row["sd"])
        for row in rows
    )
    return FigureSpec(
        key=f"stability-{_slug(tables.architecture)}",
        title="Stability of the maps across seeds: mean ± 1 sd over pairs of runs",
        x="",
        y="Spearman",
        marks=marks,
        note="" if marks else "It takes two seeds of a scenario.",
    )


def reliability_figure(tables: FigureTables) -> FigureSpec:
    """Share of fakes by predicted probability, in ten bins, pooled over seeds."""
    marks: list[Mark] = []
    for scenario, rows in _by(tables.reliability, "scenario").items():
        kind = rows[0]["score"] if rows[0]["architecture"] == OTHER else "softmax"
        bins: dict[int, list[Row]] = {}
        for row in (row for row in rows if row["score"] == kind):
            bins.setdefault(min(int(row["predicted"] * 10), 9), []).append(row)
        x, y = ([_weighted(bins[b], name) for b in sorted(bins)] for name in ("predicted", "observed"))
        if x:
            marks.append(Line(scenario, tables.styles.get(scenario, 0), x, y, marks=True))
    if marks:
        marks.append(Line("perfect", -1, [0, 1], [0, 1], dash="dot"))
    return FigureSpec(
        key=f"reliability-{_slug(tables.architecture)}",
        title="Reliability of the softmax score",
        x="Probability of being fake",
        y="Share of fakes",
        marks=tuple(marks),
        note="" if marks else "No run has scores that are probabilities.",
        x_range=(0, 1),
        y_range=(0, 1),
        square=True,
    )


def _weighted(rows: Sequence[Row], name: str) -> float:
    return float(np.average([row[name] for row in rows], weights=[row["images"] for row in rows]))


def annotated_figure(tables: FigureTables) -> FigureSpec:
    """AUC over the number of annotated images."""
    return _learning(tables, "annotated", "Annotated training images", "efficiency-images")


def annotators_figure(tables: FigureTables) -> FigureSpec:
    """AUC over the number of annotations of each annotated image."""
    return _learning(tables, "annotators", "Annotations per image", "efficiency-annotators")


def data_figure(tables: FigureTables) -> FigureSpec:
    """AUC of cross-entropy over the number of training images, beside the scenarios with human maps."""
    plain = _curve("cross_entropy", -1, _of_objective(tables.guidance, "cross_entropy"), "images")
    guided = [
        line
        for scenario, rows in _by([row for row in tables.guidance if row["annotated"]], "scenario").items()
        for line in _curve(scenario, tables.styles.get(scenario, 0), rows, "images")
    ]
    return FigureSpec(
        key=f"efficiency-data-{_slug(tables.architecture)}",
        title="Annotation efficiency: AUC by training images (mean ± 1 sd)",
        x="Training images",
        y="AUC",
        marks=(*plain, *guided) if plain and guided else (),
        note="" if plain and guided else "It takes a cross-entropy run and a run with human maps.",
        logarithmic=True,
    )


def _learning(tables: FigureTables, column: str, x: str, key: str) -> FigureSpec:
    guided = [row for row in tables.guidance if row["annotated"] and row[column] is not None]
    marks: list[Mark] = []
    for i, (objective, rows) in enumerate(_by(guided, "objective").items()):
        marks += _curve(objective, i, rows, column)
    plain = mean_sd([row["auc"] for row in _of_objective(tables.guidance, "cross_entropy")])[0]
    if marks and plain is not None:
        marks.append(HorizontalLine(f"cross_entropy {plain:.3f}", plain))
    return FigureSpec(
        key=f"{key}-{_slug(tables.architecture)}",
        title=f"AUC by {x[0].lower()}{x[1:]} (mean ± 1 sd)",
        x=x,
        y="AUC",
        marks=tuple(marks),
        note="" if marks else "No run has recorded its number of maps.",
        logarithmic=True,
    )


def _of_objective(rows: Iterable[Row], objective: str) -> list[Row]:
    return [row for row in rows if row["objective"] == objective]


def _curve(name: str, style: int, rows: Iterable[Row], column: str) -> list[Line]:
    """One point per scenario and dataset: its seeds may have drawn slightly different amounts."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["auc"] is not None and row[column]:
            groups.setdefault((row["scenario"], row["dataset"]), []).append(row)
    points = sorted(_point(group, column) for group in groups.values())
    if not points:
        return []
    x, means, deviations = ([point[i] for point in points] for i in range(3))
    return [Line(name, style, x, means, deviations if any(deviations) else None, marks=True)]


def _point(rows: Sequence[Row], column: str) -> tuple[float, float, float]:
    mean, sd, _ = mean_sd([row["auc"] for row in rows])
    return float(np.mean([row[column] for row in rows])), mean or 0.0, sd or 0.0


def _scenarios(tables: FigureTables) -> dict[str, list[FinishedRun]]:
    return {scenario: runs for (_, scenario), runs in by_scenario(tables.runs).items()}


def _boxes(tables: FigureTables, metric: str) -> tuple[BoxPlot, ...]:
    return tuple(
        BoxPlot(scenario, tables.styles.get(scenario, 0), values)
        for scenario, runs in _scenarios(tables).items()
        if (values := _known(run.metrics.get(metric) for run in runs))
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _by(rows: Iterable[Row], key: str, **wanted: Any) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if all(row[name] == value for name, value in wanted.items()):
            groups.setdefault(row[key], []).append(row)
    return groups


def _slug(name: str) -> str:
    """A file name for any name of a source; two names never give one file name."""
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in name
    )[:60]
    return plain if plain == name else f"{plain}.{hashlib.sha256(name.encode()).hexdigest()[:6]}"
