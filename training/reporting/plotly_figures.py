"""Convert figures to plotly's JSON, for pages. Does not need plotly itself."""

from html import escape
from typing import Any, Final, assert_never

from training.reporting.figures import BoxPlot, ErrorBar, FigureSpec, HorizontalLine, Line, Mark, Points
from training.reporting.style import MUTED, colour, dash

Json = dict[str, Any]

DIGITS: Final = 4


def drawn(figure: FigureSpec) -> Json:
    """`{key, title, note, data, layout}`; the page adds fonts and the colours of its scheme."""
    traces = [trace for mark in figure.marks for trace in _traces(mark)]
    return {
        "key": figure.key,
        "title": figure.title,
        "note": figure.note,
        "data": traces,
        "layout": _layout(figure),
    }


def _layout(figure: FigureSpec) -> Json:
    x: Json = {"title": {"text": escape(figure.x)}}
    y: Json = {"title": {"text": escape(figure.y)}}
    if figure.x_range:
        x["range"] = list(figure.x_range)
    if figure.y_range:
        y["range"] = list(figure.y_range)
    if figure.logarithmic:
        x |= {"type": "log", "dtick": "D2"}
    if figure.square:
        y |= {"scaleanchor": "x", "constrain": "domain"}
        x["constrain"] = "domain"
    categories = [mark for mark in figure.marks if isinstance(mark, BoxPlot | ErrorBar)]
    if categories:
        x["range"] = [-0.5, len(categories) - 0.5]
    levels = [mark for mark in figure.marks if isinstance(mark, HorizontalLine)]
    return {
        "xaxis": x,
        "yaxis": y,
        "showlegend": not categories,
        "shapes": [_across(level) for level in levels],
        "annotations": [_label(level) for level in levels],
    }


def _traces(mark: Mark) -> list[Json]:
    match mark:
        case Line():
            return _line(mark)
        case Points():
            return [
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": _text(mark.name),
                    "x": _rounded(mark.x),
                    "y": _rounded(mark.y),
                    "text": [escape(label) for label in mark.labels],
                    "marker": {"color": colour(mark.style), "size": 9},
                }
            ]
        case BoxPlot() if mark.few:
            name = _text(mark.name)
            dots = {"color": colour(mark.style), "size": 9}
            at = {"x": [name] * len(mark.values), "y": _rounded(mark.values)}
            return [{"type": "scatter", "mode": "markers", "name": name, **at, "marker": dots}]
        case BoxPlot():
            return [
                {
                    "type": "box",
                    "name": _text(mark.name),
                    "y": _rounded(mark.values),
                    "notched": mark.notched,
                    "boxpoints": "all",
                    "jitter": 0.4,
                    "marker": {"color": colour(mark.style)},
                }
            ]
        case ErrorBar():
            return [_dot(mark)]
        case HorizontalLine():
            return []
        case _:
            assert_never(mark)


def _dot(mark: ErrorBar) -> Json:
    trace: Json = {
        "type": "scatter",
        "mode": "markers",
        "name": _text(mark.name),
        "x": [_text(mark.name)],
        "y": _rounded([mark.value]),
        "marker": {"color": colour(mark.style), "size": 11},
    }
    if mark.spread is not None:
        trace["error_y"] = {"type": "data", "array": _rounded([mark.spread])}
    return trace


def _line(mark: Line) -> list[Json]:
    name = _text(mark.name)
    line: Json = {
        "type": "scatter",
        "mode": "lines+markers" if mark.marks or len(mark.x) == 1 else "lines",
        "name": name,
        "legendgroup": name,
        "x": _rounded(mark.x),
        "y": _rounded(mark.y),
        "line": {"color": colour(mark.style), "dash": dash(mark.style, mark.dash), "width": 2},
    }
    if mark.spread is None:
        return [line]
    if mark.marks:
        bars: Json = {"type": "data", "array": _rounded(mark.spread)}
        if mark.below is not None:
            bars |= {"symmetric": False, "arrayminus": _rounded(mark.below)}
        return [{**line, "error_y": bars}]
    return [_band(mark, name), line]


def _band(mark: Line, name: str) -> Json:
    spread = mark.spread or ()
    along, across = (mark.y, mark.x) if mark.sideways else (mark.x, mark.y)
    high = [value + width for value, width in zip(across, spread, strict=True)]
    low = [value - width for value, width in zip(across, spread, strict=True)]
    edge = _rounded([*high, *reversed(low)])
    there = _rounded([*along, *reversed(along)])
    return {
        "type": "scatter",
        "x": edge if mark.sideways else there,
        "y": there if mark.sideways else edge,
        "fill": "toself",
        "fillcolor": faint(colour(mark.style)),
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": name,
    }


def faint(hexadecimal: str) -> str:
    """The colour of a band, through which the others are seen."""
    red, green, blue = (int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"


def _across(level: HorizontalLine) -> Json:
    return {
        "type": "line",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": level.y,
        "y1": level.y,
        "line": {"color": MUTED, "dash": "dash", "width": 1.5},
    }


def _label(level: HorizontalLine) -> Json:
    return {
        "xref": "paper",
        "x": 1,
        "xanchor": "right",
        "y": level.y,
        "yanchor": "top" if level.below else "bottom",
        "showarrow": False,
        "text": _text(level.name),
    }


def _rounded(values: Any) -> list[float]:
    return [round(float(value), DIGITS) for value in values]


def _text(name: str) -> str:
    """Plotly reads names as a little HTML; a name is none."""
    return escape(name).replace("\n", "<br>")
