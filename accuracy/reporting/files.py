"""An analysis as files: a report, its figures, and tables for other programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from accuracy.decisions.table import Decisions
from accuracy.findings.estimates import Analysis
from accuracy.reporting.figures import Figure
from accuracy.reporting.report import Facts, draw, html, pdf
from accuracy.reporting.tidy import decisions_csv, estimates_csv

FILES: Final = "report.html, report.pdf, decisions.csv, estimates.csv"


@dataclass(frozen=True, slots=True)
class ReportedAnalysis:
    """An analysis with everything that its report needs."""

    analysis: Analysis
    decisions: Decisions
    figures: list[Figure]
    inputs_hash: str


def write_reports(reported: Sequence[ReportedAnalysis], folder: Path) -> list[Path]:
    """Write one analysis into a folder, or that of a study and that of what it is compared with into two."""
    folders = [folder] if len(reported) == 1 else [folder / "study", folder / "compared"]
    for result, own_folder in zip(reported, folders, strict=True):
        write_report(result, own_folder)
    return folders


def write_report(reported: ReportedAnalysis, folder: Path) -> None:
    """Write the report, the tables and the figures (SVG) into a folder, which is made if absent."""
    figures = draw(reported.figures)
    facts = Facts(datetime.now(UTC), reported.inputs_hash)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.html").write_text(html(reported.analysis, figures, facts), "utf-8")
    (folder / "report.pdf").write_bytes(pdf(reported.analysis, reported.figures, facts))
    (folder / "decisions.csv").write_text(decisions_csv(reported.decisions), "utf-8")
    (folder / "estimates.csv").write_text(estimates_csv(reported.analysis), "utf-8")
    for figure in figures:
        (folder / f"{figure.name}.svg").write_bytes(figure.svg)
