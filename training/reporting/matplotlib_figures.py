"""Draw figures for papers with matplotlib, as PDF and PNG, and write their numbers as CSV."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any, Final, assert_never

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from training.files import write_bytes, write_text
from training.reporting.figures import BoxPlot, ErrorBar, FigureSpec, HorizontalLine, Line, Mark, Points
from training.reporting.finished_runs import Row
from training.reporting.style import MUTED, colour, dash
from training.reporting.tables import to_csv

WIDTH: Final = 5.0  # inches: a column of a two-column paper, seen at 70 %
HEIGHT: Final = 3.6
SQUARE: Final = 4.4
ROW: Final = 0.21  # of a legend
FEW: Final = 4
SHORT: Final = 22  # letters of which two columns fit
DPI: Final = 200
DASHES: Final = {"solid": "-", "dash": "--", "dot": ":", "dashdot": "-."}

STYLE: Final[Any] = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e0",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "pdf.fonttype": 42,  # letters stay letters
    "text.parse_math": False,  # a name may hold a $
}


def write_figure(folder: Path, figure: FigureSpec, *, caption: str = "") -> list[str]:
    """Write `<key>.pdf`, `<key>.png` and `<key>.csv`; nothing for a figure that has nothing to show.

    caption : a line below, such as that the annotations are simulated
    """
    if not figure.marks:
        return []
    with mpl.rc_context(STYLE):
        canvas = _drawn(figure, caption)
        for ending in ("pdf", "png"):
            content = io.BytesIO()
            # Without a date the same numbers give the same bytes.
            metadata = {"CreationDate": None} if ending == "pdf" else {"Software": None}
            canvas.savefig(content, format=ending, dpi=DPI, metadata=metadata)
            write_bytes(folder / f"{figure.key}.{ending}", content.getvalue())
    write_text(folder / f"{figure.key}.csv", to_csv(rows_of(figure)))
    return [f"{figure.key}.{ending}" for ending in ("pdf", "png", "csv")]


def rows_of(figure: FigureSpec) -> list[Row]:
    """What a figure shows, one row per point: `series, x, y, spread`."""
    return [row for mark in figure.marks for row in _rows(mark)]


def _rows(mark: Mark) -> list[Row]:
    name = mark.name.replace("\n", ", ")
    match mark:
        case Line():
            spreads: Sequence[float | None] = mark.spread or [None] * len(mark.x)
            points = zip(mark.x, mark.y, spreads, strict=True)
            rows = [{"series": name, "x": x, "y": y, "spread": spread} for x, y, spread in points]
            if mark.below is not None:
                return [{**row, "below": below} for row, below in zip(rows, mark.below, strict=True)]
            return rows
        case Points():
            return [{"series": name, "x": x, "y": y} for x, y in zip(mark.x, mark.y, strict=True)]
        case BoxPlot():
            return [{"series": name, "y": value} for value in mark.values]
        case ErrorBar():
            return [{"series": name, "y": mark.value, "spread": mark.spread}]
        case HorizontalLine():
            return [{"series": name, "y": mark.y}]
        case _:
            assert_never(mark)


def _drawn(figure: FigureSpec, caption: str) -> Canvas:
    categories = [mark for mark in figure.marks if isinstance(mark, BoxPlot | ErrorBar)]
    legend = _legend_of(figure)
    width = SQUARE if figure.square else max(WIDTH, 0.75 * len(categories) + 1)
    height = (SQUARE if figure.square else HEIGHT) + legend.height
    canvas = Canvas(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.add_subplot()
    below = "\n".join(line for line in (figure.x, caption) if line)
    axes.set(title="\n".join(wrap(figure.title, 56)), xlabel=below, ylabel=figure.y)
    _scale(axes, figure)
    for mark in figure.marks:
        _draw(axes, mark, position=categories.index(mark) if isinstance(mark, BoxPlot | ErrorBar) else 0)
    if categories:
        _name_categories(axes, [mark.name for mark in categories])
    elif legend.inside:
        axes.legend(loc="lower right")
    elif legend.columns:
        canvas.legend(loc="outside lower center", ncols=legend.columns)
    return canvas


def _scale(axes: Any, figure: FigureSpec) -> None:
    if figure.x_range:
        axes.set_xlim(figure.x_range)
    if figure.y_range:
        axes.set_ylim(figure.y_range)
    if figure.logarithmic:
        axes.set_xscale("log")
        ticks = _apart(x for mark in figure.marks if isinstance(mark, Line) for x in mark.x)
        axes.set_xticks(ticks, [f"{tick:.3g}" if tick < 1000 else f"{tick:.0f}" for tick in ticks])
        axes.minorticks_off()
    if figure.square:
        axes.set_aspect("equal")


def _apart(values: Iterable[float]) -> list[float]:
    """The measured amounts, without those whose labels would lie on the one before."""
    positions: list[float] = []
    for value in sorted(values):
        if not positions or value > 1.15 * positions[-1]:
            positions.append(value)
    return positions


@dataclass(frozen=True, slots=True)
class Legend:
    """Where the names of lines and points go."""

    inside: bool
    """In the lower right corner of a ROC, which is free, when the names are few and short."""
    columns: int
    height: float  # inches that it needs below


def _legend_of(figure: FigureSpec) -> Legend:
    names = [mark.name for mark in figure.marks if isinstance(mark, Line | Points)]
    longest = max(map(len, names), default=0)
    if figure.square and len(names) <= FEW and longest <= SHORT:
        return Legend(inside=bool(names), columns=0, height=0.0)
    columns = 2 if longest <= SHORT else 1
    rows = -(-len(names) // columns)
    return Legend(inside=False, columns=columns if names else 0, height=ROW * rows)


def _name_categories(axes: Any, names: list[str]) -> None:
    longest = max(len(line) for name in names for line in name.split("\n"))
    slanted = longest > 9 and len(names) > 2
    angle = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(range(len(names)), names, **angle)
    axes.grid(visible=False, axis="x")
    axes.set_xlim(-0.6, len(names) - 0.4)


def _draw(axes: Any, mark: Mark, *, position: int) -> None:
    match mark:
        case Line():
            _draw_line(axes, mark)
        case Points():
            axes.scatter(mark.x, mark.y, color=colour(mark.style), label=mark.name, s=28)
        case BoxPlot():
            _draw_box(axes, mark, position)
        case ErrorBar():
            kind = {"fmt": "o", "color": colour(mark.style), "capsize": 3}
            axes.errorbar([position], [mark.value], yerr=mark.spread, **kind)
        case HorizontalLine():
            axes.axhline(mark.y, color=MUTED, linestyle="--", linewidth=1.2)
            where = {"xy": (1, mark.y), "xycoords": ("axes fraction", "data")}
            offset = {"xytext": (0, -3 if mark.below else 2), "textcoords": "offset points"}
            place = {"ha": "right", "va": "top" if mark.below else "bottom"}
            axes.annotate(mark.name, **where, **offset, **place, fontsize=8.5, color="#555555")
        case _:
            assert_never(mark)


def _draw_line(axes: Any, mark: Line) -> None:
    shade = colour(mark.style)
    style = {"color": shade, "linestyle": DASHES[dash(mark.style, mark.dash)], "label": mark.name}
    if mark.marks or len(mark.x) == 1:
        bars = mark.spread if mark.below is None else (mark.below, mark.spread)
        axes.errorbar(mark.x, mark.y, yerr=bars, marker="o", markersize=5, capsize=3, **style)
        return
    axes.plot(mark.x, mark.y, **style)
    if mark.spread is None:
        return
    along, across = (mark.y, mark.x) if mark.sideways else (mark.x, mark.y)
    low = [value - width for value, width in zip(across, mark.spread, strict=True)]
    high = [value + width for value, width in zip(across, mark.spread, strict=True)]
    fill = axes.fill_betweenx if mark.sideways else axes.fill_between
    fill(along, low, high, color=shade, alpha=0.16, linewidth=0)


def _draw_box(axes: Any, mark: BoxPlot, position: int) -> None:
    shade = colour(mark.style)
    if not mark.few:
        axes.boxplot(
            [list(mark.values)],
            positions=[position],
            notch=mark.notched,
            widths=0.5,
            showfliers=False,
            patch_artist=True,
            boxprops={"facecolor": f"{shade}30", "edgecolor": shade},
            medianprops={"color": shade, "linewidth": 2},
            whiskerprops={"color": shade},
            capprops={"color": shade},
            manage_ticks=False,
        )
    # Beside each other in the order of the seeds, so that equal values are all seen.
    places = [position + 0.12 * (i / max(len(mark.values) - 1, 1) - 0.5) for i in range(len(mark.values))]
    axes.scatter(places, mark.values, color=shade, s=14, zorder=3)
