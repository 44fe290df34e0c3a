"""Every table of a set of runs, and every figure of an architecture in it. No torch, no drawing."""

from collections.abc import Sequence

from training.reporting import tables
from training.reporting.annotation_efficiency import efficiency_table, guidance_table
from training.reporting.figures import FigureSpec, FigureTables, figures, styles_of
from training.reporting.finished_runs import OTHER, ExternalDetector, FinishedRun, Row
from training.reporting.stability import stability_table


def tables_of(
    found: Sequence[FinishedRun], detectors: Sequence[ExternalDetector] = ()
) -> dict[str, list[Row]]:
    """Every table by the name of its file."""
    guidance = guidance_table(found)
    return {
        "runs": tables.run_table(found),
        "summary": tables.summary_table(found, detectors),
        "scores": tables.score_table(found, detectors),
        "sources": tables.source_table(found, detectors),
        "paired": tables.paired_table(found),
        "epochs": tables.epoch_table(found),
        "roc": tables.roc_table(found, detectors),
        "reliability": tables.reliability_table(found, detectors),
        "stability": stability_table(found),
        "guidance": guidance,
        "worth": efficiency_table(guidance),
    }


def figures_of(
    architecture: str,
    found: Sequence[FinishedRun],
    rows_of: dict[str, list[Row]],
    detectors: Sequence[ExternalDetector] = (),
) -> list[FigureSpec]:
    """Every figure of an architecture, other detectors beside its runs."""
    names = {detector.name for detector in detectors}

    def own(table: str) -> list[Row]:
        return [row for row in rows_of[table] if row["architecture"] in (architecture, OTHER)]

    return figures(
        FigureTables(
            architecture,
            tuple(result for result in found if result.config.architecture == architecture),
            epochs=own("epochs"),
            roc=own("roc"),
            reliability=own("reliability"),
            stability=own("stability"),
            guidance=own("guidance"),
            styles=styles_of(found, sorted(names)),
        )
    )
