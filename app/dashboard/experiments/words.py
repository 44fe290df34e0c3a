"""What the pages of experiments say in sentences."""

from app.experiments.detectors import ImportSummary


def imported_in_words(entrant: ImportSummary) -> str:
    """What was imported of a detector, and what looks wrong with it."""
    auc = "no AUC" if entrant.auc is None else f"AUC {entrant.auc:.3f}"
    upside_down = entrant.auc is not None and entrant.auc < 0.5
    return "; ".join(
        [
            f"{entrant.name}: {entrant.images} images, {auc}",
            *(["below chance, so perhaps its higher scores mean real"] if upside_down else []),
            *([f"{entrant.ignored} rows about other splits were left out"] if entrant.ignored else []),
        ]
    )
