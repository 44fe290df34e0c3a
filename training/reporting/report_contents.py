"""The contents of a report: every table of a set of runs, every figure of an architecture. No torch."""

from collections.abc import Sequence

from training.reporting import tables
from training.reporting.annotation_efficiency import efficiency_table, guidance_table
from training.reporting.degraded import degraded_figures, degraded_summary
from training.reporting.figures import FigureSpec, FigureTables, figures, styles_of
from training.reporting.finished_runs import OTHER, ExternalDetector, FinishedRun, Row, learned_from_all
from training.reporting.left_out import left_out_table
from training.reporting.release_years import year_table
from training.reporting.stability import stability_table


def tables_of(
    runs: Sequence[FinishedRun], detectors: Sequence[ExternalDetector] = ()
) -> dict[str, list[Row]]:
    """Every table by the name of its file."""
    # Fewer images of fewer generators are no point of the curve of plain data.
    guidance = guidance_table(learned_from_all(runs))
    degraded = tables.degraded_table(runs)
    return {
        "runs": tables.run_table(runs),
        "summary": tables.summary_table(runs, detectors),
        "scores": tables.score_table(runs, detectors),
        "sources": tables.source_table(runs, detectors),
        "images": tables.image_table(runs),
        "degraded": degraded,
        "degraded_summary": degraded_summary(degraded),
        "left_out": left_out_table(runs),
        "release_years": year_table(runs),
        "paired": tables.paired_table(runs),
        "epochs": tables.epoch_table(runs),
        "roc": tables.roc_table(runs, detectors),
        "reliability": tables.reliability_table(runs, detectors),
        "stability": stability_table(runs),
        "guidance": guidance,
        "annotation_efficiency": efficiency_table(guidance),
    }


def figures_of(
    architecture: str,
    runs: Sequence[FinishedRun],
    rows_of: dict[str, list[Row]],
    detectors: Sequence[ExternalDetector] = (),
) -> list[FigureSpec]:
    """Every figure of an architecture, with external detectors beside its runs.

    Runs that generators were kept from have a table, and are drawn only where there are no others.
    """
    names = {detector.name for detector in detectors}
    runs = learned_from_all(runs) or runs
    shown = {run.config.scenario_name for run in runs} | names

    def rows(table: str) -> list[Row]:
        found = (row for row in rows_of[table] if row["scenario"] in shown)
        return [row for row in found if row["architecture"] in (architecture, OTHER)]

    styles = styles_of(runs, sorted(names))
    drawn = figures(
        FigureTables(
            architecture,
            tuple(result for result in runs if result.config.architecture == architecture),
            epochs=rows("epochs"),
            roc=rows("roc"),
            reliability=rows("reliability"),
            stability=rows("stability"),
            guidance=rows("guidance"),
            styles=styles,
        )
    )
    return [*drawn, *degraded_figures(architecture, rows("degraded_summary"), styles)]
