"""The figures of an analysis. Each draws on a canvas it is given: pages, files and a PDF share them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from accuracy.decisions.table import Decisions, sample_of
from accuracy.findings.cells import in_order
from accuracy.findings.estimates import Analysis, Estimate
from accuracy.reporting.layout import (
    FONT,
    HIGHEST_IN,
    LINE_IN,
    RIGHT_IN,
    WIDTH_IN,
    key,
    margins,
    most_lines,
    widest,
    width_in,
    wrapped,
)
from accuracy.reporting.painting import PaintedAverages
from accuracy.statistics.clustered_proportions import clustered_proportion
from accuracy.statistics.intervals import Interval

# Of annotation_ui/static/tokens.css, in its light scheme: figures are printed.
INK: Final = "#1c2124"
MUTED: Final = "#535b61"
COLOURS: Final = ("#83898d", "#0f5a66", "#c8641b", "#5a398b", "#b0892b", "#0a84ff")
MARKERS: Final = "so^Dv*"
"""Arms differ in lightness and in shape, not in hue alone."""

STYLE: Final[dict[str, Any]] = {
    "font.family": FONT,
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
    "text.parse_math": False,  # names may have a "$"
    "svg.hashsalt": "cyborg",
    "pdf.fonttype": 42,
}
GRID_LEFT_IN: Final = 1.0
GRID_BOTTOM_IN: Final = 0.6
GRID_GAP_IN: Final = 0.14
ROW_IN: Final = 1.2
NARROW_IN: Final = 1.1
"""A panel with less has no room for three tick labels with a percent sign."""
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


def figures(decisions: Decisions, analysis: Analysis, averages: PaintedAverages | None) -> list[Figure]:
    """Every figure that the decisions allow, in the order of a report; none for no decision."""
    if decisions.frame.empty:
        return []
    arms = drawn_arms(decisions)
    of_arms = [
        _per_pair(decisions, arms),
        _by_source(analysis, arms),
        _per_participant(decisions, arms),
        _learning(analysis, arms),
        _times(decisions, arms),
        _by_fifth(decisions, arms),
    ]
    left_out = [arm for arm in decisions.arms if arm not in arms]
    missing = f" Not drawn, for want of room: {', '.join(left_out)}." if left_out else ""
    of_arms = [figure and replace(figure, caption=figure.caption + missing) for figure in of_arms]
    all_figures = [
        _measures(analysis, arms),
        *of_arms[:2],
        _differences(analysis),
        *of_arms[2:],
        _averages(averages),
    ]
    return [figure for figure in all_figures if figure is not None]


def drawn_arms(decisions: Decisions) -> list[str]:
    """As many arms as there are colours: those that painted come first, then by their order."""
    arms = decisions.arms
    first = sorted(arms, key=lambda arm: arm not in decisions.paints)[:MOST_ARMS]
    return [arm for arm in arms if arm in first]


def _look(arms: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    return {arm: (COLOURS[at], MARKERS[at]) for at, arm in enumerate(arms)}


def _percent(axes: Axes, which: str = "x") -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))


class _Grid:
    """Panels on the same axes from 0 to 100 %: rows by kind, a column for each arm."""

    def __init__(self, arms: Sequence[str], rows: Sequence[str]) -> None:
        gaps = GRID_GAP_IN * (len(arms) - 1)
        self.panel = (WIDTH_IN - GRID_LEFT_IN - RIGHT_IN - gaps) / len(arms)
        self.titles = [wrapped(arm, self.panel, lines=3, points=9.5, weight="bold") for arm in arms]
        self.labels = [wrapped(row, ROW_IN - 0.1) for row in rows]
        self.top = 0.15 + LINE_IN * most_lines(self.titles)
        self.height = self.top + GRID_BOTTOM_IN + ROW_IN * len(rows)

    @property
    def unit(self) -> str:
        """What an axis label adds where tick labels have no room for a percent sign."""
        return ", in %" if self.panel < NARROW_IN else ""

    def draw(self, canvas: FigureBase) -> Any:
        shape = len(self.labels), len(self.titles)
        axes = canvas.subplots(*shape, sharex=True, sharey=True, squeeze=False)
        margins(canvas, self.height, left=GRID_LEFT_IN, top=self.top, bottom=GRID_BOTTOM_IN)
        canvas.subplots_adjust(wspace=GRID_GAP_IN / self.panel, hspace=0.16)
        for column, title in enumerate(self.titles):
            axes[0, column].set_title(title, fontweight="bold")
            self._ticks(axes[-1, column])
        for row, label in enumerate(self.labels):
            axes[row, 0].set_ylabel(label)
            _percent(axes[row, 0], "y")
        return axes

    def _ticks(self, axes: Axes) -> None:
        sign = "" if self.unit else " %"
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1], [f"{share}{sign}" for share in (0, 50, 100)])
        first, _, last = axes.get_xticklabels()
        first.set(ha="left")
        last.set(ha="right")


def _per_pair(decisions: Decisions, arms: Sequence[str]) -> Figure | None:
    """The paper's figure 3: per-pair accuracy by source, arms side by side, all on the same axes."""
    if not decisions.has("item"):
        return None
    frame = decisions.frame
    by_source = decisions.has("source")
    source = frame["source"].fillna("source unknown") if by_source else pd.Series("", index=frame.index)
    most = int((HIGHEST_IN - 1.5) / ROW_IN)
    levels = source.value_counts().index[:most].sort_values()
    grid = _Grid(arms, [str(level) for level in levels])
    what, a = ("pair", "a pair") if decisions.design == "2afc" else ("image", "an image")
    left_out = source.nunique() - len(levels)

    def draw(canvas: FigureBase) -> None:
        panels = grid.draw(canvas)
        for row, level in enumerate(levels):
            for column, arm in enumerate(arms):
                shares = frame[(source == level) & (frame["arm"] == arm)].groupby("item")["correct"].mean()
                _histogram(panels[row, column], shares.to_numpy(), COLOURS[column])
        canvas.supxlabel(
            f"share of decisions on {a} that are correct{grid.unit}", fontsize=9, y=0.1 / grid.height
        )
        canvas.supylabel(f"share of {what}s", fontsize=9, x=0.012)

    rows = "rows are sources, columns are arms" if by_source else "columns are arms"
    caption = (
        f"Each {what} counts once, by the share of its decisions that are correct; {rows}, all on the same "
        "axes. The solid line is the mean, the dotted line is guessing."
    ) + (f" The {left_out} sources with the fewest decisions are left out." if left_out else "")
    title = f"Accuracy on each {what}" + (", by source" if by_source else "")
    return Figure("accuracy-per-pair", title, caption, grid.height, draw)


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
    axes.text(0.03, 0.95, f"n = {len(shares)}", transform=axes.transAxes, va="top", fontsize=8, color=MUTED)


class _Rows:
    """Named rows from the top down, as high as their names and as many as a page has room for."""

    def __init__(self, names: Sequence[str], *, above: float, below: float, least: float = 0.3) -> None:
        texts = ["\n".join(wrapped(line, NAME_IN) for line in name.split("\n")) for name in names]
        self.each = max(least, 0.1 + LINE_IN * most_lines(texts))
        self.number = min(len(texts), int((HIGHEST_IN - above - below) / self.each))
        self.names = texts[: self.number]
        self.left = 0.2 + widest(self.names)
        self.above, self.below = above, below
        self.height = above + below + self.each * self.number
        self.left_out = len(texts) - self.number

    def draw(self, canvas: FigureBase) -> Axes:
        axes = canvas.subplots()
        margins(canvas, self.height, left=self.left, top=self.above, bottom=self.below)
        axes.set_yticks(range(self.number), self.names, color=INK)
        axes.set_ylim(self.number - 0.5, -0.5)
        return axes

    def panels(self, canvas: FigureBase, number: int) -> Sequence[Axes]:
        """Axes side by side that share the rows."""
        axes = canvas.subplots(1, number, sharey=True, squeeze=False)[0]
        margins(canvas, self.height, left=self.left, top=self.above, bottom=self.below)
        canvas.subplots_adjust(wspace=0.14)
        axes[0].set_yticks(range(self.number), self.names, color=INK)
        axes[0].set_ylim(self.number - 0.5, -0.5)
        return list(axes)

    @property
    def missing(self) -> str:
        """What the caption says of rows that had no room."""
        return f" {self.left_out} more are in the tables." if self.left_out else ""


NAME_IN: Final = 2.6


def _by_source(analysis: Analysis, arms: Sequence[str]) -> Figure | None:
    cells = [cell for cell in analysis.of("cells", "accuracy") if not cell.within.startswith("position=")]
    overall = analysis.of("arms", "accuracy")
    parts = ["", *dict.fromkeys(cell.within for cell in cells)]
    look, names = _look(arms), [_words(part) for part in parts]
    names_above = key(arms, 0.2 + min(NAME_IN, widest(names)))
    rows = _Rows(names, above=names_above.height, below=0.55, least=0.16 + 0.09 * len(arms))

    def draw(canvas: FigureBase) -> None:
        axes = rows.draw(canvas)
        for place, arm in enumerate(arms):
            by_part = {estimate.within: estimate for estimate in [*overall, *cells] if estimate.of == arm}
            shift = (place - (len(arms) - 1) / 2) * 0.7 / max(len(arms), 2)
            points = [
                (at + shift, by_part[part]) for at, part in enumerate(parts[: rows.number]) if part in by_part
            ]
            _dots(axes, points, look[arm], arm)
        axes.axvline(0.5, color=MUTED, linewidth=0.9, linestyle=":")
        axes.set_xlabel("decisions that are correct, with 95 % interval")
        _percent(axes)
        names_above.draw(canvas, axes, rows.left)

    caption = (
        "The dot is the share of correct decisions, the line its 95 % interval. The dotted line is guessing."
        f"{rows.missing}"
    )
    return Figure("accuracy", "Accuracy by arm and kind of trial", caption, rows.height, draw)


MEASURES: Final = {"accuracy": "correct decisions", "d_prime": "d′", "criterion": "criterion"}
MEASURES_TOP_IN: Final = 0.3


def _measures(analysis: Analysis, arms: Sequence[str]) -> Figure | None:
    """Accuracy, d′ and criterion side by side: what two designs can be compared in, and what they cannot."""
    estimates = [*analysis.of("arms", *MEASURES), *analysis.of("designs", *MEASURES)]
    measures = [
        name
        for name in MEASURES
        if any(each.measure == name and each.value is not None for each in estimates)
    ]
    if len(measures) < 2:
        return None
    of_arms = list(dict.fromkeys(each.of for each in estimates))
    look = _look(arms)
    rows = _Rows(of_arms, above=MEASURES_TOP_IN, below=0.45)

    def draw(canvas: FigureBase) -> None:
        panels = rows.panels(canvas, len(measures))
        for axes, measure in zip(panels, measures, strict=True):
            for at, arm in enumerate(of_arms[: rows.number]):
                points = [(at, each) for each in estimates if (each.measure, each.of) == (measure, arm)]
                _dots(axes, points, look.get(arm, (INK, "D")), None)
            axes.axvline(0.5 if measure == "accuracy" else 0, color=MUTED, linewidth=0.9, linestyle=":")
            axes.set_xlabel(MEASURES[measure])
            axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        panels[0].xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))

    yes = "“left”" if analysis.design == "2afc" else "“fake”"
    caption = (
        "With 95 % intervals; the dotted line is guessing, and no leaning. A criterion below 0 leans towards "
        f"{yes}."
    )
    if analysis.of("designs"):
        caption += (
            " Of a forced choice and of single images only d′ can be compared: chance and what one leans "
            "towards are not the same."
        )
    return Figure(
        "measures", "Accuracy, d′ and criterion of each arm", caption + rows.missing, rows.height, draw
    )


def _words(within: str) -> str:
    if not within:
        return "all decisions"
    name, _, level = within.partition("=")
    return f"{name}: {level}"


def _dots(
    axes: Axes, points: Sequence[tuple[float, Estimate]], look: tuple[str, str], label: str | None
) -> None:
    known = [(at, estimate) for at, estimate in points if estimate.value is not None]
    for at, estimate in known:
        if estimate.low is not None and estimate.high is not None:
            axes.plot(
                [estimate.low, estimate.high], [at, at], color=look[0], linewidth=1.6, solid_capstyle="butt"
            )
    values = [float(estimate.value or 0) for _, estimate in known]
    axes.plot(values, [at for at, _ in known], look[1], color=look[0], markersize=5.5, label=label)


AT_EQUAL_TIME: Final = {
    "difference_at_equal_time": "at equal decision time",
    "difference_at_equal_total_time": "at equal time over a trial",
}


def _of_two(of: str, what: str) -> str:
    """The name of a difference: on one line, or both arms and the part of the decisions on one each."""
    if width_in(short := f"{of}: {what}") <= NAME_IN:
        return short
    arm, sign, other = of.partition(" − ")
    return "\n".join((wrapped(f"{arm}{sign}", NAME_IN, lines=1), wrapped(other, NAME_IN, lines=1), what))


def _differences(analysis: Analysis) -> Figure | None:
    main = [each for each in analysis.of("difference", "difference") if each.method.startswith("clustered")]
    estimates = [*main, *analysis.of("sources"), *analysis.of("time", *AT_EQUAL_TIME)]
    known = [each for each in estimates if each.value is not None]
    if not known:
        return None
    several = len(analysis.arms) > 2

    def name(estimate: Estimate) -> str:
        what = AT_EQUAL_TIME.get(estimate.measure) or _words(estimate.within)
        return _of_two(estimate.of, what) if several else what

    label = "percentage points" if several else f"percentage points, {known[0].of}"
    names = [name(each) for each in known]
    label = wrapped(label, WIDTH_IN - RIGHT_IN - 0.3 - min(NAME_IN, widest(names)), lines=3)
    rows = _Rows(names, above=0.12, below=0.4 + LINE_IN * most_lines([label]))

    def draw(canvas: FigureBase) -> None:
        axes = rows.draw(canvas)
        _dots(axes, list(enumerate(known[: rows.number])), (COLOURS[1], "o"), None)
        axes.axvline(0, color=MUTED, linewidth=0.9, linestyle=":")
        axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda x, _: f"{100 * x:+.0f}".replace("-", "−") if x else "0")
        )
        axes.set_xlabel(label)

    caption = f"Differences in accuracy with 95 % intervals; the dotted line is no difference.{rows.missing}"
    return Figure("differences", "Differences between arms", caption, rows.height, draw)


def _per_participant(decisions: Decisions, arms: Sequence[str]) -> Figure | None:
    shares = decisions.frame.groupby(["arm", "participant"])["correct"].mean()
    grid = _Grid(arms, [""])

    def draw(canvas: FigureBase) -> None:
        panels = grid.draw(canvas)
        for column, arm in enumerate(arms):
            _histogram(panels[0, column], shares[arm].to_numpy(), COLOURS[column])
        panels[0, 0].set_ylabel("share of participants", fontsize=8.5)
        canvas.supxlabel(
            f"share of a participant's decisions that are correct{grid.unit}", fontsize=9, y=0.1 / grid.height
        )

    caption = "Each participant counts once. The solid line is the mean, the dotted line is guessing."
    return Figure("participants", "Accuracy of each participant", caption, grid.height, draw)


COURSE_LEFT_IN: Final = 0.8
COURSE_IN: Final = 1.9  # height of the axes of a course
COURSE_BOTTOM_IN: Final = 0.55


def _learning(analysis: Analysis, arms: Sequence[str]) -> Figure | None:
    cells = [cell for cell in analysis.of("cells", "accuracy") if cell.within.startswith("position=")]
    steps = sorted({cell.within.removeprefix("position=") for cell in cells}, key=in_order)
    if len(steps) < 2:
        return None
    look, names = _look(arms), key(arms, COURSE_LEFT_IN)
    height = names.height + COURSE_IN + COURSE_BOTTOM_IN

    def draw(canvas: FigureBase) -> None:
        axes = canvas.subplots()
        margins(canvas, height, left=COURSE_LEFT_IN, top=names.height, bottom=COURSE_BOTTOM_IN)
        for place, arm in enumerate(arms):
            by_step = {cell.within.removeprefix("position="): cell for cell in cells if cell.of == arm}
            shift = (place - (len(arms) - 1) / 2) * 0.08
            points = [(at + shift, by_step[step]) for at, step in enumerate(steps) if step in by_step]
            _ranges(axes, points, look[arm], arm)
        axes.axhline(0.5, color=MUTED, linewidth=0.9, linestyle=":")
        axes.set_xticks(range(len(steps)), steps)
        axes.set_xlabel("trials, in the order they were shown")
        axes.set_ylabel("correct decisions")
        _percent(axes, "y")
        names.draw(canvas, axes, COURSE_LEFT_IN)

    caption = "Accuracy over a visit with 95 % intervals; the dotted line is guessing."
    return Figure("learning", "Learning over trials", caption, height, draw)


TIMES: Final = {"decision_ms": "deciding", "annotation_ms": "painting"}
PANEL_TITLE_IN: Final = 0.25


def _times(decisions: Decisions, arms: Sequence[str]) -> Figure | None:
    columns = [name for name in TIMES if decisions.has(name) and bool(decisions.frame[name].gt(0).any())]
    if not columns:
        return None
    seconds = decisions.frame[columns].astype(float) / 1000
    spans = seconds.where(seconds > 0)
    low, high = np.nanquantile(spans.to_numpy(), [0.002, 0.998])
    if not low < high:
        low, high = low / 2, high * 2
    bins = np.geomspace(low, high, 31)
    look, names = _look(arms), key(arms, COURSE_LEFT_IN)
    top = names.height + PANEL_TITLE_IN
    height = top + COURSE_IN + COURSE_BOTTOM_IN

    def draw(canvas: FigureBase) -> None:
        grid = canvas.subplots(1, len(columns), sharex=True, sharey=True, squeeze=False)
        margins(canvas, height, left=COURSE_LEFT_IN, top=top, bottom=COURSE_BOTTOM_IN)
        canvas.subplots_adjust(wspace=0.08)
        for place, column in enumerate(columns):
            axes = grid[0, place]
            for at, arm in enumerate(arms):
                of_arm = spans.loc[decisions.frame["arm"] == arm, column].dropna().clip(low, high)
                share = np.histogram(of_arm, bins)[0] / max(len(of_arm), 1)
                dash = ("-", "--", "-.", ":", "-", "--")[at]
                heights = share if len(of_arm) else np.full(len(share), np.nan)
                axes.stairs(heights, bins, color=look[arm][0], linewidth=1.8, linestyle=dash, label=arm)
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(
                LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,), numticks=12)
            )
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_title(TIMES[column])
            axes.set_xlabel("seconds (logarithmic)")
            _percent(axes, "y")
        grid[0, 0].set_ylabel("share of decisions")
        names.draw(canvas, grid[0, 0], COURSE_LEFT_IN)

    caption = f"How long people took: {' and '.join(TIMES[column] for column in columns)}, on the same axes."
    return Figure("times", "Decision and annotation times", caption, height, draw)


def _fifths(decisions: Decisions) -> Iterator[tuple[str, str, "pd.Series[int]"]]:
    """(column, words, fifth from 0 of every decision that has a value), of columns that differ."""
    words = {"decision_ms": "time to decide", "annotation_ms": "time painting", "area": "painted area"}
    for column, what in words.items():
        if not decisions.has(column):
            continue
        values = decisions.frame[column].dropna().astype(float)
        if values.nunique() >= FIFTHS:
            yield column, what, fifth(values)


def fifth(values: "pd.Series[float]") -> "pd.Series[int]":
    """The fifth that each value is in, from 0: equal ones are in the same, in whatever order they come."""
    ranks = values.rank(method="average")
    # Of twice the rank, which is whole: a quotient of floats may be a hair above the fifth that it ends.
    return ((2 * ranks * FIFTHS).astype(int) - 1) // (2 * len(values))


def _by_fifth(decisions: Decisions, arms: Sequence[str]) -> Figure | None:
    panels = list(_fifths(decisions))
    if not panels:
        return None
    look, names = _look(arms), key(arms, COURSE_LEFT_IN)
    height = names.height + COURSE_IN + COURSE_BOTTOM_IN

    def draw(canvas: FigureBase) -> None:
        grid = canvas.subplots(1, len(panels), sharey=True, squeeze=False)
        margins(canvas, height, left=COURSE_LEFT_IN, top=names.height, bottom=COURSE_BOTTOM_IN)
        canvas.subplots_adjust(wspace=0.08)
        for place, (_, what, fifths) in enumerate(panels):
            axes = grid[0, place]
            for at, arm in enumerate(arms):
                points = [
                    (step + (at - (len(arms) - 1) / 2) * 0.1, _fifth_of(decisions, arm, fifths, step))
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
        names.draw(canvas, grid[0, 0], COURSE_LEFT_IN)

    caption = (
        "Accuracy of the decisions that took or painted least to most, with 95 % intervals. Fifths are of "
        "all arms together, so arms are compared at about the same time."
    )
    return Figure("time-and-area", "Time and painted area against accuracy", caption, height, draw)


def _fifth_of(decisions: Decisions, arm: str, fifths: "pd.Series[int]", step: int) -> Interval:
    frame = decisions.frame.loc[fifths.index]
    chosen = frame[(fifths == step) & (frame["arm"] == arm)]
    return clustered_proportion(sample_of(chosen, ones=()))


def _ranges(
    axes: Axes, points: Sequence[tuple[float, Estimate | Interval]], look: tuple[str, str], label: str
) -> None:
    """Values over steps, joined, each with its interval."""
    known = [(at, estimate) for at, estimate in points if estimate.value is not None]
    for at, estimate in known:
        if estimate.low is not None and estimate.high is not None:
            axes.plot([at, at], [estimate.low, estimate.high], color=look[0], linewidth=1.4)
    places, values = [at for at, _ in known], [float(estimate.value or 0) for _, estimate in known]
    axes.plot(places, values, f"{look[1]}-", color=look[0], markersize=5.5, linewidth=1.1, label=label)


def _averages(averages: PaintedAverages | None) -> Figure | None:
    if averages is None or not averages.maps:
        return None
    labels = sorted({label for label, _ in averages.maps}, reverse=True)
    highest = max(float(average.max()) for average in averages.maps.values()) or 1.0
    furthest = max((float(np.abs(averages.contrast(label)).max()) for label in labels), default=0.0) or 1.0

    def draw(canvas: FigureBase) -> None:
        grid = canvas.subplots(len(labels), 3, squeeze=False)
        canvas.subplots_adjust(
            left=0.06, right=0.88, bottom=0.02, top=1 - 0.3 / height, wspace=0.06, hspace=0.06
        )
        for row, label in enumerate(labels):
            for column, right in enumerate((True, False)):
                share_image = grid[row, column].imshow(
                    averages.of(label, correct=right), cmap="magma", vmin=0, vmax=highest
                )
                _framed(grid[row, column], f"n = {averages.counts.get((label, right), 0)}")
            difference_image = grid[row, 2].imshow(
                averages.contrast(label), cmap="PuOr_r", vmin=-furthest, vmax=furthest
            )
            _framed(grid[row, 2], "")
            grid[row, 0].set_ylabel(f"chosen image is {label}", fontsize=8.5)
        for column, title in enumerate(("decision correct", "decision wrong", "correct − wrong")):
            grid[0, column].set_title(title)
        _bar(canvas, share_image, (0.895, 0.55, 0.014, 0.35), "share who painted")
        _bar(canvas, difference_image, (0.895, 0.08, 0.014, 0.35), "difference")

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


def _bar(canvas: FigureBase, image: Any, place: tuple[float, float, float, float], label: str) -> None:
    axes = canvas.add_axes(place)
    bar = canvas.colorbar(image, cax=axes)
    bar.set_label(label, fontsize=8)
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    bar.ax.tick_params(labelsize=7.5)


def style() -> Any:
    """Fonts, colours and lines of every figure, as a context."""
    return mpl.rc_context(cast("Any", STYLE))
