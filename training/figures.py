"""The figures of both papers, from tables. Each function takes the rows of one architecture."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import cv2
import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from training.results import POOLED, Result, Row, columns
from training.statistics import mean_sd

# Okabe and Ito's colours, which people with any colour vision can tell apart.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
TILE: Final = 160
"""Side of a map in the grid of average maps, in pixels."""
LABEL: Final = 24


def roc_figure(rows: Sequence[Row], *, source: str = POOLED) -> Any:
    """Mean ROC ± 1 sd over seeds, one line per scenario (CYBORG Fig. 5, DROID Fig. 7)."""
    figure = _figure("False positive rate", "True positive rate")
    for i, (scenario, own) in enumerate(_by(rows, "scenario", source=source).items()):
        x, y, sd = (np.array([row[name] for row in own]) for name in ("fpr", "tpr", "sd"))
        _band(figure, x, y, sd, colour=COLOURS[i % len(COLOURS)], name=scenario)
    figure.update_yaxes(range=[0, 1])
    return figure


def accuracy_figure(rows: Sequence[Row]) -> Any:
    """Training (dotted) and validation accuracy per epoch, mean ± 1 sd over seeds (CYBORG Fig. 6)."""
    figure = _figure("Epoch", "Accuracy")
    for i, (scenario, own) in enumerate(_by(rows, "scenario").items()):
        colour = COLOURS[i % len(COLOURS)]
        x, train, _ = _over_epochs(own, "train_accuracy")
        figure.add_scatter(x=x, y=train, name=f"{scenario}, training", line={"color": colour, "dash": "dot"})
        x, val, sd = _over_epochs(own, "val_accuracy")
        _band(figure, x, val, sd, colour=colour, name=f"{scenario}, validation")
    return figure


def entropy_figure(rows: Sequence[Row]) -> Any:
    """Entropy of the model's maps per epoch, between the human and the largest one (DROID Fig. 3)."""
    figure = _figure("Epoch", "Entropy in nats")
    for i, (scenario, own) in enumerate(_by(rows, "scenario").items()):
        x, y, sd = _over_epochs(own, "cam_entropy")
        _band(figure, x, y, sd, colour=COLOURS[i % len(COLOURS)], name=scenario)
    for name, word in {"human_entropy": "human", "max_entropy": "largest"}.items():
        mean, _, _ = mean_sd([row[name] for row in rows])
        if mean is not None:
            figure.add_hline(y=mean, line_dash="dash", annotation_text=f"{word} {mean:.2f}")
    return figure


def entropy_auc_figure(runs: Sequence[Result]) -> Any:
    """Entropy of each run's maps against its AUC (DROID Fig. 5)."""
    figure = _figure("Entropy in nats", "AUC")
    for i, ((_, scenario), own) in enumerate(columns(runs).items()):
        points = {name: [run.metrics.get(name) for run in own] for name in ("cam_entropy", "auc")}
        marker = {"color": COLOURS[i % len(COLOURS)], "size": 9}
        figure.add_scatter(
            x=points["cam_entropy"], y=points["auc"], mode="markers", marker=marker, name=scenario
        )
    return figure


def box_figure(runs: Sequence[Result]) -> Any:
    """Box plots of the AUC over seeds; the notch is the 95 % interval of the median (DROID Fig. 6)."""
    figure = _figure("", "AUC")
    for i, ((_, scenario), own) in enumerate(columns(runs).items()):
        values = [run.metrics.get("auc") for run in own]
        colour = COLOURS[i % len(COLOURS)]
        figure.add_box(y=values, name=scenario, notched=len(values) > 4, boxpoints="all", marker_color=colour)
    figure.update_layout(showlegend=False)
    return figure


def average_maps(runs: Sequence[Result]) -> NDArray[np.uint8]:
    """Average map of each run: rows are scenarios, columns seeds, the human average first (CYBORG Fig. 7).

    -> (height, width, 3) BGR; dark is 0, bright is 1
    """
    groups = columns(runs)
    widest = max(len(own) for own in groups.values())
    rows = [_map_row(scenario, own, tiles=widest) for (_, scenario), own in groups.items()]
    return np.concatenate(rows, axis=0)


def _map_row(scenario: str, runs: Sequence[Result], *, tiles: int) -> NDArray[np.uint8]:
    files = [
        runs[0].folder.maps / "average_human.png",
        *(run.folder.maps / "average_all.png" for run in runs),
    ]
    pictures = [_tile(str(file)) for file in files]
    blank = np.full((TILE, TILE, 3), 255, np.uint8)
    strip = np.concatenate([*pictures, *[blank] * (tiles + 1 - len(pictures))], axis=1)
    label = np.full((LABEL, strip.shape[1], 3), 255, np.uint8)
    words = f"human | {scenario}"
    cv2.putText(label, words, (4, LABEL - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([label, strip], axis=0)


def _tile(file: str) -> NDArray[np.uint8]:
    grey = cv2.imread(file, cv2.IMREAD_GRAYSCALE)
    if grey is None:
        return np.full((TILE, TILE, 3), 255, np.uint8)
    small = cv2.resize(grey, (TILE, TILE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.applyColorMap(small, cv2.COLORMAP_VIRIDIS), np.uint8)


def _figure(x: str, y: str) -> Any:
    figure = go.Figure()
    margins = {"l": 60, "r": 20, "t": 20, "b": 50}
    return figure.update_layout(template="plotly_white", xaxis_title=x, yaxis_title=y, margin=margins)


def _band(figure: Any, x: Any, y: Any, sd: Any, *, colour: str, name: str) -> None:
    """A line with a band of ± sd behind it."""
    figure.add_scatter(x=x, y=y, name=name, line={"color": colour}, legendgroup=name)
    edge = np.concatenate([y + sd, (y - sd)[::-1]])
    figure.add_scatter(
        x=np.concatenate([x, x[::-1]]),
        y=edge,
        fill="toself",
        fillcolor=_faint(colour),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
    )


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.15)"


def _by(rows: Iterable[Row], key: str, **wanted: object) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if all(row[name] == value for name, value in wanted.items()):
            groups.setdefault(row[key], []).append(row)
    return groups


def _over_epochs(rows: Sequence[Row], name: str) -> tuple[Any, Any, Any]:
    """Epochs, mean and deviation over seeds; epochs without a value are left out."""
    epochs = sorted({row["epoch"] for row in rows if row[name] is not None})
    stats = [mean_sd([row[name] for row in rows if row["epoch"] == epoch]) for epoch in epochs]
    means, deviations = ([s[0] for s in stats], [s[1] or 0.0 for s in stats])
    return np.array(epochs), np.array(means, float), np.array(deviations, float)
