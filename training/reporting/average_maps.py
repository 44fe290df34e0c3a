"""Draw the average maps of runs beside the average human map (CYBORG Fig. 7), as one figure for papers."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from training.files import write_bytes
from training.reporting.finished_runs import FinishedRun, about_maps, by_scenario
from training.reporting.matplotlib_figures import DPI, STYLE
from training.reporting.style import grey_picture

TILE_IN: Final = 0.85
MOST: Final = 10
"""Runs of a scenario that are shown, as many as in the paper."""


def write_average_maps(
    folder: Path, key: str, runs: Sequence[FinishedRun], *, caption: str = ""
) -> list[str]:
    """Write `<key>.pdf` and `<key>.png`: a row per scenario, a column per seed, the human average first.

    The tile of a run without a picture says "none". Returns the file names; without runs it writes nothing.
    """
    if not runs:
        return []
    with mpl.rc_context(STYLE):
        canvas = _drawn(runs, caption)
        for ending in ("pdf", "png"):
            content = io.BytesIO()
            metadata = {"CreationDate": None} if ending == "pdf" else {"Software": None}
            canvas.savefig(content, format=ending, dpi=DPI, metadata=metadata)
            write_bytes(folder / f"{key}.{ending}", content.getvalue())
    return [f"{key}.pdf", f"{key}.png"]


def _drawn(runs: Sequence[FinishedRun], caption: str) -> Canvas:
    groups = {scenario: group[:MOST] for (_, scenario), group in by_scenario(runs).items()}
    tiles = max(len(group) for group in groups.values())
    size = ((tiles + 1) * TILE_IN + 1.6, len(groups) * TILE_IN + 0.6)
    canvas = Canvas(figsize=size, layout="constrained")
    FigureCanvasAgg(canvas)
    grid = canvas.subplots(len(groups), tiles + 1, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
    for row, (scenario, group) in zip(grid, groups.items(), strict=True):
        row[0].set_ylabel(scenario, rotation=0, ha="right", va="center")
        _show(row[0], group[0].folder.maps / "average_human.png", "human")
        for axes, run in zip(row[1:], group, strict=False):
            _show(axes, run.folder.maps / "average_all.png", f"seed {run.config.seed}")
    if note := ". ".join(filter(None, [caption.rstrip("."), about_maps(runs).capitalize()])):
        canvas.supxlabel(note, fontsize=8, color="#5a398b")
    return canvas


def _show(axes: Any, path: Path, title: str) -> None:
    picture = grey_picture(path)
    axes.set_title(title, fontsize=8, pad=2)
    if picture is None:
        axes.text(0.5, 0.5, "none", ha="center", va="center", fontsize=8, transform=axes.transAxes)
        return
    axes.imshow(picture, cmap="viridis", vmin=0, vmax=255)
