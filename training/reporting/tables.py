"""Every table of a set of runs, and every figure of an architecture in it. No torch, no drawing."""

from collections.abc import Sequence
from pathlib import Path

from training.files import read_json
from training.reporting import results
from training.reporting.annotation_efficiency import guidance_table, worth_table
from training.reporting.figures import Figure, Tables, figures, styles_of
from training.reporting.results import OTHER, Result, Rival, Row
from training.reporting.stability import stability_table


def tables_of(found: Sequence[Result], rivals: Sequence[Rival] = ()) -> dict[str, list[Row]]:
    """Every table by the name of its file."""
    guidance = guidance_table(found)
    return {
        "runs": results.run_table(found),
        "summary": results.summary_table(found, rivals),
        "scores": results.score_table(found, rivals),
        "sources": results.source_table(found, rivals),
        "paired": results.paired_table(found),
        "epochs": results.epoch_table(found),
        "roc": results.roc_table(found, rivals),
        "reliability": results.reliability_table(found, rivals),
        "stability": stability_table(found),
        "guidance": guidance,
        "worth": worth_table(guidance),
    }


def figures_of(
    architecture: str, found: Sequence[Result], tables: dict[str, list[Row]], rivals: Sequence[Rival] = ()
) -> list[Figure]:
    """Every figure of an architecture, other detectors beside its runs."""
    names = {rival.name for rival in rivals}

    def own(table: str) -> list[Row]:
        return [row for row in tables[table] if row["architecture"] in (architecture, OTHER)]

    return figures(
        Tables(
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


def architectures(found: Sequence[Result]) -> list[str]:
    """In the order of the runs."""
    return list(dict.fromkeys(result.config.architecture for result in found))


def is_simulated(found: Sequence[Result]) -> bool:
    """Whether a dataset behind the runs says that programs painted; unknown where its folder is gone."""
    folders = {result.folder.record().get("dataset", {}).get("path") for result in found}
    return any(_has_simulated(Path(folder)) for folder in folders if folder)


def _has_simulated(folder: Path) -> bool:
    path = folder / "dataset.json"
    return path.is_file() and bool(read_json(path).get("parameters", {}).get("simulated_annotations"))
