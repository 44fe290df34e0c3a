"""What detectors reach on degraded images, over seeds: a table, and curves over the strength. No torch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from accuracy.statistics.means import mean_interval
from training.data.degradations import CLEAN
from training.reporting.figures import FigureSpec, Line
from training.reporting.finished_runs import Row

MEASURES: Final = ("auc", "balanced_accuracy", "ap", "tpr_at_fpr")
DRAWN: Final = {"auc": "AUC", "balanced_accuracy": "Balanced accuracy"}
STRENGTHS: Final = {
    "jpeg": "Quality of JPEG",
    "webp": "Quality of WebP",
    "resize": "Share of each side that it was shrunk to",
    "blur": "Standard deviation of the blur in pixels",
    "noise": "Standard deviation of the noise in levels of 255",
    "crop": "Share of each side that was kept",
}
"""Kinds of degradation that have a strength, and what it is."""


def degraded_summary(rows: Iterable[Row]) -> list[Row]:
    """One row per architecture, scenario, evaluation, split and degradation, in the order of `rows`.

    Each number is the mean over the runs, with Student's 95 % interval over them; of a single run its
    interval over images. `intervals_over` says which.

    rows : of `degraded_table`
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("architecture", "scenario", "evaluation", "split", "degradation"))
        groups.setdefault(key, []).append(row)
    return [_summary(group) for group in groups.values()]


def _summary(group: Sequence[Row]) -> Row:
    first = group[0]
    numbers: Row = {}
    for name in MEASURES:
        if len(group) == 1:
            numbers |= {column: first[column] for column in (name, f"{name}_low", f"{name}_high")}
            continue
        mean = mean_interval([row[name] for row in group])
        numbers |= {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
    heads = ("architecture", "scenario", "evaluation", "split", "degradation")
    return {
        **{name: first[name] for name in heads},
        "seeds": len(group),
        "images": first["images"],
        "intervals_over": "images" if len(group) == 1 else "seeds",
        **numbers,
    }


def degraded_figures(
    architecture: str, summary: Sequence[Row], styles: Mapping[str, int]
) -> Iterator[FigureSpec]:
    """AUC and balanced accuracy over the strength of each kind of degradation that has one.

    A dotted line is what the scenario reaches on images as they are.

    summary : rows of `degraded_summary` for this architecture
    styles : colour of each scenario
    """
    for kind, strength in STRENGTHS.items():
        for measure, words in DRAWN.items():
            marks = tuple(_lines(summary, kind, measure, styles))
            if marks:
                yield FigureSpec(
                    key=f"degraded-{measure}-{kind}-{architecture}",
                    title=f"{words} after {kind}: mean, 95 % interval over seeds (of one run, over images)",
                    x=strength,
                    y=words,
                    marks=marks,
                )


def _lines(summary: Sequence[Row], kind: str, measure: str, styles: Mapping[str, int]) -> Iterator[Line]:
    evaluations: dict[tuple[str, ...], list[Row]] = {}
    for row in summary:
        evaluations.setdefault(tuple(row[name] for name in ("scenario", "evaluation", "split")), []).append(
            row
        )
    scenarios = [scenario for scenario, *_ in evaluations]
    for (scenario, *where), rows in evaluations.items():
        points = sorted(_points(rows, kind, measure))
        if not points:
            continue
        name = scenario if scenarios.count(scenario) == 1 else f"{scenario}, {' '.join(where)}"
        style = styles.get(scenario, 0)
        x, y, below, above = zip(*points, strict=True)
        yield Line(name, style, x, y, spread=above, below=below, marks=True)
        clean = next((row[measure] for row in rows if row["degradation"] == CLEAN), None)
        if clean is not None:
            yield Line(f"{name}, as they are", style, (x[0], x[-1]), (clean, clean), dash="dot")


def _points(rows: Iterable[Row], kind: str, measure: str) -> Iterator[tuple[float, float, float, float]]:
    """Strength, value, and how far its interval goes below and above."""
    for row in rows:
        name, _, strength = row["degradation"].partition(":")
        value, low, high = (row[f"{measure}{end}"] for end in ("", "_low", "_high"))
        if name == kind and strength and value is not None:
            below, above = (0.0, 0.0) if low is None or high is None else (value - low, high - value)
            yield float(strength), value, below, above
