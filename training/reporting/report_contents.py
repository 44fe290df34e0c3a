"""The contents of a report: every table of a set of runs, every figure of an architecture. No torch."""

from collections.abc import Sequence

from training.reporting import tables
from training.reporting.annotation_efficiency import efficiency_table, guidance_table
from training.reporting.figures import FigureSpec, FigureTables, figures, styles_of
from training.reporting.finished_runs import OTHER, ExternalDetector, FinishedRun, Row
from training.reporting.stability import stability_table


def tables_of(
    runs: Sequence[FinishedRun], detectors: Sequence[ExternalDetector] = ()
) -> dict[str, list[Row]]:
    """Every table by the name of its file."""
    guidance = guidance_table(runs)
    return {
        "runs": tables.run_table(runs),
        "summary": tables.summary_table(runs, detectors),
        "scores": tables.score_table(runs, detectors),
        "sources": tables.source_table(runs, detectors),
        "images": tables.image_table(runs),
        "degraded": tables.degraded_table(runs),
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
    """Every figure of an architecture, with external detectors beside its runs."""
    names = {detector.name for detector in detectors}

    def rows(table: str) -> list[Row]:
        return [row for row in rows_of[table] if row["architecture"] in (architecture, OTHER)]

    return figures(
        FigureTables(
            architecture,
            tuple(result for result in runs if result.config.architecture == architecture),
            epochs=rows("epochs"),
            roc=rows("roc"),
            reliability=rows("reliability"),
            stability=rows("stability"),
            guidance=rows("guidance"),
            styles=styles_of(runs, sorted(names)),
        )
    )
