"""Write the report of an experiment: tables as CSV, figures as PDF and PNG, and a page with both."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from plotly.offline import get_plotlyjs

from training.files import write_text
from training.reporting.average_maps import write_average_maps
from training.reporting.figures import FigureSpec
from training.reporting.finished_runs import (
    ExternalDetector,
    Row,
    architectures,
    cautions_of,
    gather,
    is_simulated,
)
from training.reporting.matplotlib_figures import write_figure
from training.reporting.plotly_figures import drawn
from training.reporting.report_contents import figures_of, tables_of
from training.reporting.tables import to_csv

STYLE: Final = """body{font:16px/1.5 system-ui,sans-serif;color:#1c2124}
body{max-width:76rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0;display:block;overflow-x:auto}
td,th{padding:.3rem .8rem;border-bottom:1px solid #d6d6d0;text-align:right;font-variant-numeric:tabular-nums}
td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(30rem,100%),1fr));gap:1rem}
figure{margin:0;border:1px solid #d6d6d0;border-radius:8px;padding:.5rem}figcaption{font-size:.9rem}
img{max-width:100%}.plot{height:26rem}
.simulated{background:#efe8f7;color:#5a398b;padding:.6rem 1rem;border-radius:8px}"""
META: Final = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
SCRIPT: Final = """for (const plot of document.querySelectorAll(".plot")) {
  const { data, layout } = JSON.parse(document.getElementById(plot.dataset.figure).textContent);
  const margin = { l: 60, r: 20, t: 20, b: 50 };
  const shape = { margin, template: "none", legend: { orientation: "h", y: -0.15 } };
  for (const axis of [layout.xaxis, layout.yaxis]) axis.gridcolor = "#e4e4e0";
  Plotly.newPlot(plot, data, { ...shape, ...layout }, { responsive: true, displaylogo: false });
}"""
EFFICIENCY: Final = (
    "architecture",
    "scenario",
    "seeds",
    "annotated",
    "auc",
    "bound",
    "matching_images",
    "factor",
)
DEGRADED: Final = (
    "architecture",
    "scenario",
    "evaluation",
    "split",
    "degradation",
    "seeds",
    "images",
    "intervals_over",
    "auc",
    "auc_low",
    "auc_high",
    "balanced_accuracy",
    "balanced_accuracy_low",
    "balanced_accuracy_high",
    "ap",
    "tpr_at_fpr",
)
COUNTS: Final = frozenset({"annotated", "annotations", "matching_images", "images"})
"""Columns that count something, and are means or readings of a curve: whole numbers are enough."""
LEFT_OUT: Final = (
    "architecture",
    "scenario",
    "source",
    "images",
    "seeds",
    "left_out",
    "left_out_low",
    "left_out_high",
    "trained",
    "trained_low",
    "trained_high",
    "difference",
    "difference_low",
    "difference_high",
    "p_holm",
)
RELEASE_YEARS: Final = (
    "architecture",
    "scenario",
    "train_until",
    "year",
    "side",
    "sources",
    "images",
    "seeds",
    "before",
    "before_low",
    "before_high",
    *LEFT_OUT[LEFT_OUT.index("trained") :],
)
SIMULATED: Final = "Simulated annotators: this says nothing about people."


@dataclass(frozen=True, slots=True)
class ReportProgress:
    """How far a report is; the last one has `summary`, the rows of the summary table for AUC."""

    done: int
    total: int
    summary: tuple[Row, ...] = ()


def report_steps(
    runs_dir: Path, out_dir: Path, detectors: Sequence[ExternalDetector] = ()
) -> Iterator[ReportProgress]:
    """Write tables, figures and index.html for all finished runs; yields after each figure.

    The folder holds a CSV per table, `figures/` with a PDF, a PNG and a CSV per figure, index.html, and the
    script that draws its figures, so that the page needs no network.

    detectors : external detectors on the same images, beside the runs
    `RunError`: no finished run, or one that cannot be read
    """
    runs = gather(runs_dir)
    caption = SIMULATED if is_simulated(runs) else ""
    tables = tables_of(runs, detectors)
    for name, rows in tables.items():
        write_text(out_dir / f"{name}.csv", to_csv(rows))
    per_architecture = {name: figures_of(name, runs, tables, detectors) for name in architectures(runs)}
    total = sum(len(figures) + 1 for figures in per_architecture.values())
    done, sections = 0, []
    for name, figures in per_architecture.items():
        for figure in figures:
            write_figure(out_dir / "figures", figure, caption=caption)
            yield ReportProgress(done := done + 1, total)
        of_architecture = [run for run in runs if run.config.architecture == name]
        files = write_average_maps(out_dir / "figures", f"maps-{name}", of_architecture, caption=caption)
        sections.append(_section(name, figures, files))
        yield ReportProgress(done := done + 1, total)
    summary = tuple(row for row in tables["summary"] if row["metric"] == "auc")
    write_text(out_dir / "plotly.min.js", get_plotlyjs())
    cautions = _cautions(cautions_of(runs))
    write_text(out_dir / "index.html", _page(summary, tables, sections, caption, cautions))
    yield ReportProgress(total, total, summary)


def write_report(runs_dir: Path, out_dir: Path, detectors: Sequence[ExternalDetector] = ()) -> list[Row]:
    """All of `report_steps`; returns the rows of the summary of AUC."""
    *_, last = report_steps(runs_dir, out_dir, detectors)
    return list(last.summary)


def _section(name: str, figures: Sequence[FigureSpec], average_maps: Sequence[str]) -> str:
    plots = "".join(_plot(figure) for figure in figures)
    picture = next((file for file in average_maps if file.endswith(".png")), "")
    alt = f"Average maps of each run of {name}, beside the average human map"
    maps = (
        f'<h3>Average maps</h3><img src="figures/{escape(picture)}" alt="{escape(alt)}">' if picture else ""
    )
    return f'<h2>{escape(name)}</h2><div class="plots">{plots}</div>{maps}'


def _plot(figure: FigureSpec) -> str:
    if not figure.marks:
        return f"<figure><figcaption>{escape(figure.title)}: {escape(figure.note)}</figcaption></figure>"
    links = " · ".join(
        f'<a href="figures/{escape(figure.key)}.{ending}">{ending.upper()}</a>'
        for ending in ("pdf", "png", "csv")
    )
    # Inside a script element nothing else could end the data before its end.
    data = json.dumps(drawn(figure), allow_nan=False).replace("<", "\\u003c")
    return (
        f"<figure><figcaption>{escape(figure.title)} · {links}</figcaption>"
        f'<div class="plot" data-figure="{escape(figure.key)}"></div>'
        f'<script type="application/json" id="{escape(figure.key)}">{data}</script></figure>'
    )


def _cautions(scenarios_of: dict[str, list[str]]) -> str:
    """The list of cautions, each with its scenarios; empty without any."""
    rows = "".join(
        f"<li>{escape(sentence)} <small>({escape(', '.join(scenarios))})</small></li>"
        for sentence, scenarios in scenarios_of.items()
    )
    return f"<h2>Cautions</h2><ul>{rows}</ul>" if rows else ""


def _page(
    summary: Sequence[Row], tables: dict[str, list[Row]], sections: Sequence[str], caption: str, cautions: str
) -> str:
    warning = f'<p class="simulated">{escape(caption)}</p>' if caption else ""
    body = (
        f"<h1>Results</h1>{warning}{cautions}<h2>AUC</h2>"
        + _table(summary, ("architecture", "scenario", "seeds", "mean", "sd"))
        + "<h2>Differences of AUC over seeds</h2><p>Paired t-tests; p after Holm's correction.</p>"
        + _table(
            tables["paired"], ("architecture", "one", "two", "seeds", "two_minus_one", "sd", "p", "p_holm")
        )
        + "<h2>What the numbers rest on</h2><p>Images that were scored, by source.</p>"
        + _table(tables["images"], ("split", "source", "real", "fake", "runs"))
        + "<h2>AUC by source</h2>"
        + "<p>A generator against all real images, a camera set against all fake ones.</p>"
        + _table(
            _aucs(tables["sources"]), ("architecture", "scenario", "source", "score", "seeds", "mean", "sd")
        )
        + _left_out(tables["left_out"])
        + _release_years(tables["release_years"])
        + _degraded(tables["degraded_summary"])
        + "<h2>Annotation efficiency</h2><p>Images that cross-entropy needs for the same AUC.</p>"
        + _table(tables["annotation_efficiency"], EFFICIENCY)
        + "".join(sections)
    )
    head = f"{META}<title>Results</title><style>{STYLE}</style>"
    scripts = f'<script src="plotly.min.js"></script><script>{SCRIPT}</script>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}{scripts}</body></html>'


def _left_out(rows: Sequence[Row]) -> str:
    """The table of generators that were left out; nothing where none was."""
    if not rows:
        return ""
    said = (
        "AUC of a generator by runs that left it out of training and validation, beside runs that were "
        "trained with it; paired by seed, intervals over seeds, p after Holm's correction."
    )
    return f"<h2>Leave one source out</h2><p>{said}</p>{_table(rows, LEFT_OUT)}"


def _release_years(rows: Sequence[Row]) -> str:
    """The table of temporal splits; nothing where there was none."""
    if not rows:
        return ""
    said = (
        "AUC of the generators of a year by runs that learned from those released until a date alone, beside "
        "runs that learned from all; paired by seed, intervals over seeds, p after Holm's correction."
    )
    return f"<h2>By year of release</h2><p>{said}</p>{_table(rows, RELEASE_YEARS)}"


def _degraded(rows: Sequence[Row]) -> str:
    """The table of degraded images; nothing where no run was evaluated on any."""
    if not rows:
        return ""
    said = (
        "Means over seeds. The threshold of each run is fixed on its clean validation images; TPR at a FPR "
        "of 0.5 %. The runs one by one are in degraded.csv."
    )
    return f"<h2>Degraded images</h2><p>{said}</p>{_table(rows, DEGRADED)}"


def _aucs(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["metric"] == "auc"]


def _table(rows: Sequence[Row], names: Sequence[str]) -> str:
    if not rows:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    lines = ["".join(f"<td>{escape(_cell(name, row[name]))}</td>" for name in names) for row in rows]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(name: str, value: object) -> str:
    return f"{value:.0f}" if name in COUNTS and isinstance(value, float) else cell(value)


def cell(value: object) -> str:
    """A value in a table: three decimals for a number, – for None."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return str(value)
