"""The report: a page that needs no other file, and the same as a PDF."""

import base64
import io
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader

from accuracy.findings.estimates import Analysis, Estimate, amount, bounds, probability
from accuracy.reporting.figures import Figure, style
from accuracy.reporting.layout import HIGHEST_IN, LINE_IN, WIDTH_IN, width_in, wrapped
from accuracy.reporting.words import NAMES, WORDS, headlines, intervals, part, subject, tables
from annotation_ui import STATIC, TEMPLATES

A4_IN: Final = (8.27, 11.69)
MARGIN_IN: Final = 0.63
TEXT_IN: Final = A4_IN[0] - 2 * MARGIN_IN
SHEETS: Final = ("tokens.css", "style.css", "panels.css", "staff.css", "analysis.css")


@dataclass(frozen=True, slots=True)
class Facts:
    """When a report was made, and of which decisions."""

    made_at: datetime
    inputs_hash: str


@dataclass(frozen=True, slots=True)
class FigureFile:
    """A figure as files."""

    name: str
    title: str
    caption: str
    svg: bytes

    @property
    def address(self) -> str:
        """The figure inside a page."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


def draw(figures: Sequence[Figure]) -> list[FigureFile]:
    """Every figure as SVG; the same figure gives the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    drawn = []
    with style():
        for figure in figures:
            canvas = Canvas(figsize=(WIDTH_IN, figure.height))
            FigureCanvasAgg(canvas)
            figure.draw(canvas)
            out = io.BytesIO()
            canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": "Cyborg"})
            drawn.append(FigureFile(figure.name, figure.title, figure.caption, out.getvalue()))
    return drawn


def html(analysis: Analysis, drawn: Sequence[FigureFile], facts: Facts) -> str:
    """One page with everything in it: styles, figures, tables."""
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    sheets = "\n".join((STATIC / name).read_text("utf-8") for name in SHEETS)
    template = pages.get_template("staff/analysis_report.html")
    return template.render(analysis=analysis, figures=drawn, facts=facts, sheets=sheets, **WORDS)


def pdf(analysis: Analysis, figures: Sequence[Figure], facts: Facts) -> bytes:
    """The report on A4 pages: the main results, the figures, and every table."""
    from matplotlib.backends.backend_pdf import PdfPages

    logging.getLogger("fontTools.subset").setLevel(logging.WARNING)  # it logs every table of every font
    out = io.BytesIO()
    information = {"Title": analysis.name, "Creator": "Cyborg", "CreationDate": facts.made_at}
    with style(), PdfPages(out, metadata=information) as pages:
        for page in _pages(analysis, figures, facts):
            pages.savefig(page)
    return out.getvalue()


def _pages(analysis: Analysis, figures: Sequence[Figure], facts: Facts) -> Iterator[Any]:
    """The first figures stand below the main results, where they fit."""
    from matplotlib.figure import Figure as Canvas

    *full, (page, bottom) = _text_pages(list(_opening(analysis, facts)))
    yield from (full_page for full_page, _ in full)
    for sheet in _sheets(figures, room=bottom - MARGIN_IN):
        if sheet:
            _place(page, sheet, top=A4_IN[1] - bottom)
        yield page
        page, bottom = Canvas(figsize=A4_IN), A4_IN[1] - MARGIN_IN
    yield from (table_page for table_page, _ in _text_pages(list(_table_lines(analysis))))


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    kind: str = "text"
    right: str = ""


def _opening(analysis: Analysis, facts: Facts) -> Iterator[_Line]:
    yield from _wrapped(analysis.name, "title")
    yield from _wrapped(
        f"{subject(analysis)}. {analysis.decisions} decisions of {analysis.participants} "
        f"{'simulated participants: programs, not people' if analysis.simulated else 'participants'}; "
        f"as of {facts.made_at:%d %B %Y, %H:%M} UTC; inputs {facts.inputs_hash[:16]}.",
        "text",
    )
    for accuracy in analysis.of("arms", "accuracy"):
        yield from _row(f"Correct in {accuracy.of}", _value_line(accuracy), "headline")
    for difference in headlines(analysis):
        yield from _row(difference.of, _value_line(difference), "headline")
    if analysis.estimates:
        yield from _wrapped(intervals(analysis), "text")
    for caution in analysis.cautions:
        yield from _wrapped(f"Caution: {caution.sentence}", "caution")
    for note in analysis.notes:
        yield from _wrapped(note, "text")


def _table_lines(analysis: Analysis) -> Iterator[_Line]:
    for title, estimates in tables(analysis):
        yield _Line(title, "head")
        for estimate in estimates:
            yield from _estimate_lines(estimate)


def _value_line(estimate: Estimate) -> str:
    """Value, interval and p on one line."""
    p = estimate.p if estimate.p_holm is None else estimate.p_holm
    pieces = [
        "" if estimate.value is None else amount(estimate, estimate.value),
        f"[{bounds(estimate)}]" if bounds(estimate) else "",
        f"p = {probability(p)}" if p is not None else "",
    ]
    return "   ".join(piece for piece in pieces if piece).replace("p = <", "p <") or "–"


def _estimate_lines(estimate: Estimate) -> Iterator[_Line]:
    where = f"{estimate.of}, {part(estimate)}" if estimate.within else estimate.of
    yield from _row(
        f"{NAMES.get(estimate.measure, estimate.measure)} · {where}", _value_line(estimate), "row"
    )
    if estimate.section != "cells":
        yield from _wrapped(f"{estimate.meaning} ({estimate.method})", "meaning")


def _row(name: str, value: str, kind: str) -> Iterator[_Line]:
    """A name and, at the right of its first line, its value."""
    points = LOOKS[kind]["fontsize"]
    room = TEXT_IN - width_in(value, points) - 0.2
    first, *more = wrapped(name, room, lines=4, points=points).split("\n")
    yield _Line(first, kind, value)
    yield from (_Line(line, kind) for line in more)


def _wrapped(text: str, kind: str) -> Iterator[_Line]:
    look = LOOKS[kind]
    weight = look.get("fontweight", "normal")
    for line in wrapped(text, TEXT_IN, lines=40, points=look["fontsize"], weight=weight).split("\n"):
        yield _Line(line, kind)


LOOKS: Final[dict[str, dict[str, Any]]] = {
    "title": {"fontsize": 17, "fontweight": "bold"},
    "headline": {"fontsize": 11.5},
    "head": {"fontsize": 11.5, "fontweight": "bold"},
    "text": {"fontsize": 8.5, "color": "#535b61"},
    "caution": {"fontsize": 8.5, "color": "#754700"},
    "row": {"fontsize": 8.5},
    "meaning": {"fontsize": 7, "color": "#535b61"},
}
HEIGHTS: Final = {"title": 1.9, "headline": 1.5, "head": 2.0, "row": 1.15, "meaning": 0.9}


def _text_pages(lines: Sequence[_Line]) -> Iterator[tuple[Any, float]]:
    """Pages of text, each with how many inches above its foot the text ends; none for no line."""
    from matplotlib.figure import Figure as Canvas

    bottom, page = 0.0, None
    for line in lines:
        height = HEIGHTS.get(line.kind, 1.05) * LINE_IN
        # A title stays with its first row, a row with its first line of meaning.
        together = 5 if line.kind == "head" else 2 if line.kind == "row" else 0
        if page is None or bottom - height - together * LINE_IN < MARGIN_IN:
            if page is not None:
                yield page, bottom
            page, bottom = Canvas(figsize=A4_IN), A4_IN[1] - MARGIN_IN
        bottom -= height
        y = bottom / A4_IN[1]
        page.text(MARGIN_IN / A4_IN[0], y, line.text, **LOOKS[line.kind])
        if line.right:
            page.text(1 - MARGIN_IN / A4_IN[0], y, line.right, ha="right", **LOOKS[line.kind])
    if page is not None:
        yield page, bottom


TITLE_IN: Final = 0.35
CAPTION_IN: Final = 0.75
AROUND_IN: Final = TITLE_IN + CAPTION_IN


def _sheets(figures: Sequence[Figure], *, room: float) -> Iterator[list[Figure]]:
    """Figures in order, as many on a page as fit; the first page has `room` inches left."""
    sheet: list[Figure] = []
    for figure in figures:
        if room < figure.height + AROUND_IN:
            yield sheet
            sheet, room = [], A4_IN[1] - 2 * MARGIN_IN
        sheet.append(figure)
        room -= figure.height + AROUND_IN
    yield sheet


def _place(canvas: Any, sheet: Sequence[Figure], *, top: float) -> None:
    """Titles, figures and captions from `top` inches down."""
    heights = [top]
    for figure in sheet:
        heights += [TITLE_IN, min(figure.height, HIGHEST_IN), CAPTION_IN]
    heights.append(A4_IN[1] - sum(heights))
    # Subfigures fill the canvas by these ratios alone, whatever margins the grid has.
    widths = [MARGIN_IN, TEXT_IN, MARGIN_IN]
    holders = canvas.subfigures(len(heights), 3, height_ratios=heights, width_ratios=widths)[:, 1]
    for number, figure in enumerate(sheet):
        title, holder, caption = holders[3 * number + 1 : 3 * number + 4]
        title.text(0, 0.3, figure.title, fontsize=11.5, fontweight="bold")
        figure.draw(holder)
        words = wrapped(figure.caption, TEXT_IN, lines=5, points=7.5)
        caption.text(0, 0.95, words, va="top", fontsize=7.5, linespacing=1.4, color="#535b61")
