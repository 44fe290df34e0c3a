"""The figures of an analysis. Each draws on a canvas it is given: pages, files and a PDF share them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from app.analysis.comparison import Interval, accuracy
from app.analysis.estimates import Analysis, Estimate
from app.analysis.painting import Averages
from app.analysis.table import Decisions, sample_of

# Of annotation_ui/static/tokens.css, in its light scheme: figures are printed.
INK: Final = "#1c2124"
MUTED: Final = "#535b61"
COLOURS: Final = ("#83898d", "#0f5a66", "#c8641b", "#5a398b", "#b0892b", "#0a84ff")
MARKERS: Final = "so^Dv*"
"""Arms differ in lightness and in shape, not in hue alone."""

STYLE: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "svg.hashsalt": "cyborg",
    "pdf.fonttype": 42,
}
WIDTH_IN: Final = 7.0
GRID_FRAME_IN: Final = 0.85
ROW_IN: Final = 1.25
MOST_ROWS: Final = 8
MOST_ARMS: Final = len(COLOURS)
FIFTHS: Final = 5
BINS: Final = np.append(np.arange(10) / 10 - 1e-9, 1.0)
"""Tenths; 3 of 5 is in the one from 60 % on, whatever its last bit."""

Draw = Callable[[FigureBase], None]


@dataclass(frozen=True, slots=True)
class Figure:
    """What is drawn; `name` is its file's, `height` in inches at a width of `WIDTH_IN`."""

    name: str
    title: str
    caption: str
    height: float
    draw: Draw


def figures(decisions: Decisions, analysis: Analysis, averages: Averages | None) -> list[Figure]:
    """Every figure that the decisions allow, in the order of a report; none for no decision."""
    if decisions.frame.empty:
        return []
    arms = decisions.arms[:MOST_ARMS]
    found = [
        _per_pair(decisions, arms),
        _by_source(analysis, arms),
        _differences(analysis),
        _per_participant(decisions, arms),
        _learning(analysis, arms),
        _times(decisions, arms),
        _by_fifth(decisions, arms),
        _averages(averages),
    ]
    return [one for one in found if one is not None]


def _look(arms: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    return {arm: (COLOURS[at], MARKERS[at]) for at, arm in enumerate(arms)}


def _percent(axes: Axes, which: str = "x") -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


def _short(text: str, most: int = 24) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _grid(canvas: FigureBase, rows: int, columns: int) -> Any:
    axes = canvas.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    height = GRID_FRAME_IN + ROW_IN * rows
    canvas.subplots_adjust(left=0.14, right=0.955, top=1 - 0.3 / height, bottom=0.55 / height)
    return axes


def _per_pair(decisions: Decisions, arms: Sequence[str]) -> Figure | None:
    """The paper's figure 3: per-pair accuracy by source, arms side by side, all on the same axes."""
    if not decisions.has("item"):
        return None
    frame = decisions.frame
    by_source = decisions.has("source")
    source = frame["source"] if by_source else pd.Series("all", index=frame.index)
    levels = source.value_counts().index[:MOST_ROWS].sort_values()
    what = "pair" if decisions.design == "2afc" else "image"
    left_out = source.nunique() - len(levels)

    def draw(canvas: FigureBase) -> None:
        grid = _grid(canvas, len(levels), len(arms))
        for row, level in enumerate(levels):
            for column, arm in enumerate(arms):
                own = frame[(source == level) & (frame["arm"] == arm)].groupby("item")["correct"].mean()
                _histogram(grid[row, column], own.to_numpy(), COLOURS[column])
                if row == 0:
                    grid[row, column].set_title(_short(arm), fontweight="bold")
            grid[row, 0].set_ylabel(_short(str(level), 16))
        canvas.supxlabel(f"share of decisions on a {what} that are correct", fontsize=9)
        canvas.supylabel(f"share of {what}s", fontsize=9, x=0.012)

    caption = (
        f"Each {what} counts once, by the share of its decisions that are correct; rows are sources, columns "
        "are arms, all on the same axes. The solid line is the mean, the dotted line is guessing."
    ) + (f" The {left_out} sources with the fewest decisions are left out." if left_out else "")
    title = f"Accuracy on each {what}" + (", by source" if by_source else "")
    return Figure("accuracy-per-pair", title, caption, GRID_FRAME_IN + ROW_IN * len(levels), draw)


def _histogram(axes: Axes, shares: Any, colour: str) -> None:
    if len(shares):
        axes.hist(
            shares,
            bins=list(BINS),
            weights=np.full(len(shares), 1 / len(shares)),
            color=colour,
            edgecolor="white",
            linewidth=0.8,
        )
        axes.axvline(float(np.mean(shares)), color=INK, linewidth=1.4)
    axes.axvline(0.5, color=MUTED, linewidth=0.9, linestyle=":")
    axes.set_xlim(0, 1)
    axes.text(0.02, 0.95, f"n = {len(shares)}", transform=axes.transAxes, va="top", fontsize=8, color=MUTED)
    _percent(axes)
    _percent(axes, "y")


def _by_source(analysis: Analysis, arms: Sequence[str]) -> Figure | None:
    cells = [one for one in analysis.of("cells", "accuracy") if not one.within.startswith("position=")]
    overall = analysis.of("arms", "accuracy")
    rows = ["", *dict.fromkeys(one.within for one in cells)][: 3 * MOST_ROWS]
    look = _look(arms)

    def draw(canvas: FigureBase) -> None:
        axes = canvas.subplots()
        canvas.subplots_adjust(left=0.27, right=0.97, bottom=0.5 / height, top=1 - 0.32 / height)
        for place, arm in enumerate(arms):
            own = {one.within: one for one in [*overall, *cells] if one.of == arm}
            shift = (place - (len(arms) - 1) / 2) * 0.6 / max(len(arms), 2)
            _dots(axes, [(at + shift, own[row]) for at, row in enumerate(rows) if row in own], look[arm], arm)
        axes.axvline(0.5, color=MUTED, linewidth=0.9, linestyle=":")
        axes.set_yticks(range(len(rows)), [_words(row) for row in rows], color=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("decisions that are correct, with 95 % interval")
        _percent(axes)
        _legend_above(axes, len(arms))

    height = 0.9 + 0.3 * len(rows) * (1 if len(arms) < 4 else 1.4)
    caption = (
        "The dot is the share of correct decisions, the line its 95 % interval for other people and other "
        "pictures. The dotted line is guessing."
    )
    return Figure("accuracy", "Accuracy by arm and kind of trial", caption, height, draw)


def _words(within: str) -> str:
    if not within:
        return "all decisions"
    name, _, level = within.partition("=")
    return f"{name}: {_short(level)}"


def _legend_above(axes: Axes, columns: int) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(columns, 3), borderaxespad=0.2)


def _dots(
    axes: Axes, points: Sequence[tuple[float, Estimate]], look: tuple[str, str], label: str | None
) -> None:
    known = [(at, one) for at, one in points if one.value is not None]
    for at, one in known:
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [at, at], color=look[0], linewidth=1.6, solid_capstyle="butt")
    values = [float(one.value or 0) for _, one in known]
    axes.plot(values, [at for at, _ in known], look[1], color=look[0], markersize=5.5, label=label)


def _differences(analysis: Analysis) -> Figure | None:
    main = [one for one in analysis.of("difference", "difference") if one.method.startswith("clustered")]
    rows = [*main, *analysis.of("sources"), *analysis.of("time", "difference_at_equal_time")][:30]
    if not rows:
        return None
    several = len(analysis.arms) > 2

    def name(one: Estimate) -> str:
        what = {"difference_at_equal_time": "at equal time"}.get(one.measure, _words(one.within))
        return f"{one.of}: {what}" if several else what

    def draw(canvas: FigureBase) -> None:
        axes = canvas.subplots()
        canvas.subplots_adjust(left=0.42 if several else 0.27, right=0.97, bottom=0.55 / height, top=0.97)
        _dots(axes, list(enumerate(rows)), (COLOURS[1], "o"), None)
        axes.axvline(0, color=MUTED, linewidth=0.9, linestyle=":")
        axes.set_yticks(range(len(rows)), [_short(name(one), 44) for one in rows], color=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda x, _: f"{100 * x:+.0f}".replace("-", "−") if x else "0")
        )
        axes.set_xlabel("percentage points" if several else f"percentage points, {main[0].of}")

    height = 0.75 + 0.3 * len(rows)
    caption = "Differences in accuracy with 95 % intervals; the dotted line is no difference."
    return Figure("differences", "Differences between arms", caption, height, draw)


def _per_participant(decisions: Decisions, arms: Sequence[str]) -> Figure | None:
    shares = decisions.frame.groupby(["arm", "participant"])["correct"].mean()

    def draw(canvas: FigureBase) -> None:
        grid = _grid(canvas, 1, len(arms))
        for column, arm in enumerate(arms):
            _histogram(grid[0, column], shares[arm].to_numpy(), COLOURS[column])
            grid[0, column].set_title(_short(arm), fontweight="bold")
        grid[0, 0].set_ylabel("share of participants")
        canvas.supxlabel("share of a participant's decisions that are correct", fontsize=9)

    caption = "Each participant counts once. The solid line is the mean, the dotted line is guessing."
    return Figure("participants", "Accuracy of each participant", caption, GRID_FRAME_IN + ROW_IN, draw)


def _learning(analysis: Analysis, arms: Sequence[str]) -> Figure | None:
    cells = [one for one in analysis.of("cells", "accuracy") if one.within.startswith("position=")]
    steps = sorted({one.within for one in cells})
    if len(steps) < 2:
        return None
    look = _look(arms)

    def draw(canvas: FigureBase) -> None:
        axes = canvas.subplots()
        canvas.subplots_adjust(left=0.11, right=0.98, bottom=0.2, top=0.87)
        for place, arm in enumerate(arms):
            own = {one.within: one for one in cells if one.of == arm}
            shift = (place - (len(arms) - 1) / 2) * 0.08
            _ranges(
                axes,
                [(at + shift, own[step]) for at, step in enumerate(steps) if step in own],
                look[arm],
                arm,
            )
        axes.axhline(0.5, color=MUTED, linewidth=0.9, linestyle=":")
        axes.set_xticks(range(len(steps)), [step.removeprefix("position=") for step in steps])
        axes.set_xlabel("trials, in the order they were shown")
        axes.set_ylabel("correct decisions")
        _percent(axes, "y")
        _legend_above(axes, len(arms))

    caption = "Accuracy over a visit with 95 % intervals; the dotted line is guessing."
    return Figure("learning", "Learning over trials", caption, 2.8, draw)


def _times(decisions: Decisions, arms: Sequence[str]) -> Figure | None:
    columns = [name for name in ("decision_ms", "annotation_ms") if decisions.has(name)]
    if not columns:
        return None
    seconds = decisions.frame[columns].astype(float) / 1000
    spans = seconds.where(seconds > 0)
    low, high = np.nanquantile(spans.to_numpy(), [0.002, 0.998])
    if not low < high:
        low, high = low / 2, high * 2
    bins = np.geomspace(low, high, 31)
    look = _look(arms)

    def draw(canvas: FigureBase) -> None:
        grid = canvas.subplots(1, len(columns), sharex=True, sharey=True, squeeze=False)
        canvas.subplots_adjust(left=0.11, right=0.98, bottom=0.22, top=0.8, wspace=0.08)
        for place, column in enumerate(columns):
            axes = grid[0, place]
            for at, arm in enumerate(arms):
                own = spans.loc[decisions.frame["arm"] == arm, column].dropna().clip(low, high)
                if len(own):
                    share = np.histogram(own, bins)[0] / len(own)
                    dash = ("-", "--", "-.", ":", "-", "--")[at]
                    axes.stairs(share, bins, color=look[arm][0], linewidth=1.8, linestyle=dash, label=arm)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_title({"decision_ms": "deciding", "annotation_ms": "painting"}[column], loc="right")
            axes.set_xlabel("seconds (logarithmic)")
            _percent(axes, "y")
        grid[0, 0].set_ylabel("share of decisions")
        grid[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)

    caption = "How long people took to decide and to paint; both on the same axes."
    return Figure("times", "Decision and annotation times", caption, 2.8, draw)


def _fifths(decisions: Decisions) -> Iterator[tuple[str, str, "pd.Series[int]"]]:
    """(column, words, fifth from 0 of every decision that has a value), of columns that differ."""
    words = {"decision_ms": "time to decide", "annotation_ms": "time painting", "area": "painted area"}
    for column, what in words.items():
        if not decisions.has(column):
            continue
        values = decisions.frame[column].dropna().astype(float)
        if values.nunique() >= FIFTHS:
            ranks = values.rank(method="first", pct=True)
            yield column, what, np.minimum((ranks * FIFTHS).astype(int), FIFTHS - 1)


def _by_fifth(decisions: Decisions, arms: Sequence[str]) -> Figure | None:
    panels = list(_fifths(decisions))
    if not panels:
        return None
    look = _look(arms)

    def draw(canvas: FigureBase) -> None:
        grid = canvas.subplots(1, len(panels), sharey=True, squeeze=False)
        canvas.subplots_adjust(left=0.11, right=0.98, bottom=0.24, top=0.8, wspace=0.08)
        for place, (_, what, fifth) in enumerate(panels):
            axes = grid[0, place]
            for at, arm in enumerate(arms):
                points = [
                    (step + (at - (len(arms) - 1) / 2) * 0.1, _fifth_of(decisions, arm, fifth, step))
                    for step in range(FIFTHS)
                ]
                _ranges(axes, points, look[arm], arm)
            axes.axhline(0.5, color=MUTED, linewidth=0.9, linestyle=":")
            axes.set_xticks(range(FIFTHS), ["least", "", "", "", "most"])
            labels = axes.get_xticklabels()
            labels[0].set_ha("left")
            labels[-1].set_ha("right")
            axes.set_xlabel(f"{what}, in fifths")
            _percent(axes, "y")
        grid[0, 0].set_ylabel("correct decisions")
        grid[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)

    caption = (
        "Accuracy of the decisions that took or painted least to most, with 95 % intervals. Fifths are of "
        "all arms together, so arms are compared at about the same time."
    )
    return Figure("time-and-area", "Time and painted area against accuracy", caption, 2.7, draw)


def _fifth_of(decisions: Decisions, arm: str, fifth: "pd.Series[int]", step: int) -> Interval:
    frame = decisions.frame.loc[fifth.index]
    chosen = frame[(fifth == step) & (frame["arm"] == arm)]
    return accuracy(sample_of(chosen, ones=()))


def _ranges(
    axes: Axes, points: Sequence[tuple[float, Estimate | Interval]], look: tuple[str, str], label: str
) -> None:
    """Values over steps, joined, each with its interval."""
    known = [(at, one) for at, one in points if one.value is not None]
    for at, one in known:
        if one.low is not None and one.high is not None:
            axes.plot([at, at], [one.low, one.high], color=look[0], linewidth=1.4)
    places, values = [at for at, _ in known], [float(one.value or 0) for _, one in known]
    axes.plot(places, values, f"{look[1]}-", color=look[0], markersize=5.5, linewidth=1.1, label=label)


def _averages(averages: Averages | None) -> Figure | None:
    if averages is None or not averages.maps:
        return None
    labels = sorted({label for label, _ in averages.maps}, reverse=True)
    highest = max(float(one.max()) for one in averages.maps.values()) or 1.0
    furthest = max((float(np.abs(averages.contrast(label)).max()) for label in labels), default=0.0) or 1.0

    def draw(canvas: FigureBase) -> None:
        grid = canvas.subplots(len(labels), 3, squeeze=False)
        canvas.subplots_adjust(
            left=0.06, right=0.88, bottom=0.02, top=1 - 0.3 / height, wspace=0.06, hspace=0.06
        )
        for row, label in enumerate(labels):
            for column, right in enumerate((True, False)):
                shown = grid[row, column].imshow(
                    averages.of(label, correct=right), cmap="magma", vmin=0, vmax=highest
                )
                _framed(grid[row, column], f"n = {averages.counts.get((label, right), 0)}")
            apart = grid[row, 2].imshow(
                averages.contrast(label), cmap="PuOr_r", vmin=-furthest, vmax=furthest
            )
            _framed(grid[row, 2], "")
            grid[row, 0].set_ylabel(f"chosen image is {label}", fontsize=8.5)
        for column, title in enumerate(("decision correct", "decision wrong", "correct − wrong")):
            grid[0, column].set_title(title)
        _bar(canvas, shown, (0.895, 0.55, 0.014, 0.35), "share who painted")
        _bar(canvas, apart, (0.895, 0.08, 0.014, 0.35), "difference")

    height = 0.4 + 2.05 * len(labels)
    caption = (
        "Share of annotations that cover each place, all faces brought into one frame by their face boxes. "
        "Maps of correct and of wrong decisions are on one scale; in the difference, orange is painted more "
        "often when the decision is correct."
    )
    return Figure("average-maps", "What was painted, right and wrong", caption, height, draw)


def _framed(axes: Axes, note: str) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.03, 0.97, note, transform=axes.transAxes, va="top", fontsize=8, color="white")


def _bar(canvas: FigureBase, shown: Any, place: tuple[float, float, float, float], label: str) -> None:
    axes = canvas.add_axes(place)
    bar = canvas.colorbar(shown, cax=axes)
    bar.set_label(label, fontsize=8)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    bar.ax.tick_params(labelsize=7.5)


def style() -> Any:
    """The look of every figure, as a context."""
    return mpl.rc_context(cast("Any", STYLE))
