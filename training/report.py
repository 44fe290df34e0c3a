"""Tables and figures of an experiment: CSV for the next analysis, pages for people."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

import cv2
from plotly.offline import get_plotlyjs

from training import figures, results
from training.folder import write_bytes, write_text
from training.results import POOLED, Result, Row

STYLE: Final = """body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.3rem .8rem;border-bottom:1px solid #ccc;text-align:right}
td:first-child,th:first-child,td:nth-child(2),th:nth-child(2){text-align:left}img{max-width:100%}"""


def write_report(runs_dir: Path, out_dir: Path) -> list[Row]:
    """Write tables, figures and index.html for all finished runs; returns the rows of the summary of AUC.

    The folder holds runs.csv, summary.csv, paired.csv, epochs.csv, roc.csv, a maps-<architecture>.png per
    architecture, index.html, and the script that draws its figures: it needs no network.
    """
    found = results.gather(runs_dir)
    tables = {
        "runs": results.run_table(found),
        "summary": results.summary_table(found),
        "paired": results.paired_table(found),
        "epochs": results.epoch_table(found),
        "roc": results.roc_table(found),
    }
    for name, rows in tables.items():
        write_text(out_dir / f"{name}.csv", results.to_csv(rows))
    sections = [_section(name, found, tables, out_dir) for name in _architectures(found)]
    summary = [row for row in tables["summary"] if row["metric"] == "auc"]
    write_text(out_dir / "plotly.min.js", get_plotlyjs())
    write_text(out_dir / "index.html", _page(summary, tables["paired"], sections))
    return summary


def _architectures(found: Sequence[Result]) -> list[str]:
    return list(dict.fromkeys(result.config.architecture for result in found))


def _section(name: str, found: Sequence[Result], tables: dict[str, list[Row]], out_dir: Path) -> str:
    runs = [result for result in found if result.config.architecture == name]
    rocs, epochs = (
        [row for row in tables[table] if row["architecture"] == name] for table in ("roc", "epochs")
    )
    picture = f"maps-{name}.png"
    write_bytes(out_dir / picture, bytes(cv2.imencode(".png", figures.average_maps(runs))[1]))
    sources = sorted({row["source"] for row in rocs} - {POOLED})
    shown = {
        "ROC, all generators": figures.roc_figure(rocs),
        **{f"ROC, {source}": figures.roc_figure(rocs, source=source) for source in sources},
        "Accuracy": figures.accuracy_figure(epochs),
        "Entropy of the maps": figures.entropy_figure(epochs),
        "Entropy against AUC": figures.entropy_auc_figure(runs),
        "AUC over seeds": figures.box_figure(runs),
    }
    plots = "".join(f"<h3>{escape(title)}</h3>{_html(figure)}" for title, figure in shown.items())
    average = f'<h3>Average maps</h3><img src="{escape(picture)}" alt="Average map of each run">'
    return f"<h2>{escape(name)}</h2>{plots}{average}"


def _html(figure: Any) -> str:
    return str(figure.to_html(full_html=False, include_plotlyjs=False, default_height="420px"))


def _page(summary: Sequence[Row], paired: Sequence[Row], sections: Sequence[str]) -> str:
    body = (
        "<h1>Results</h1><h2>AUC</h2>"
        + _table(summary, ("architecture", "scenario", "seeds", "mean", "sd"))
        + "<h2>Differences of AUC over seeds</h2><p>Paired t-tests; p after Holm's correction.</p>"
        + _table(paired, ("architecture", "one", "two", "seeds", "two_minus_one", "sd", "p", "p_holm"))
        + "".join(sections)
    )
    head = f'<meta charset="utf-8"><title>Results</title><style>{STYLE}</style>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<script src="plotly.min.js"></script></head><body>{body}'
    )


def _table(rows: Sequence[Row], names: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    lines = ["".join(f"<td>{escape(_cell(row[name]))}</td>" for name in names) for row in rows]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
