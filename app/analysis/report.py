"""The report: a page that needs no other file, and the same as a PDF."""

import base64
import io
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from annotation_ui import STATIC
from app.analysis.estimates import Analysis, Estimate, amount, bounds, probability
from app.analysis.figures import WIDTH_IN, Figure, style
from app.analysis.words import NAMES, WORDS, part, tables

A4_IN: Final = (8.27, 11.69)
MARGIN_IN: Final = 0.63
LINE_IN: Final = 0.165
SHEETS: Final = ("tokens.css", "style.css", "panels.css", "staff.css", "analysis.css")


@dataclass(frozen=True, slots=True)
class Facts:
    """When a report was made, and of which decisions."""

    made_at: datetime
    inputs_hash: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """A figure as files."""

    name: str
    title: str
    caption: str
    svg: bytes

    @property
    def address(self) -> str:
        """The figure inside a page."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


def draw(figures: Sequence[Figure]) -> list[Drawn]:
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
            drawn.append(Drawn(figure.name, figure.title, figure.caption, out.getvalue()))
    return drawn


def html(analysis: Analysis, drawn: Sequence[Drawn], facts: Facts) -> str:
    """One page with everything in it: styles, figures, tables."""
    from app.web import templates

    sheets = "\n".join((STATIC / name).read_text("utf-8") for name in SHEETS)
    template = templates.env.get_template("staff/analysis_report.html")
    return template.render(analysis=analysis, figures=drawn, facts=facts, sheets=sheets, **WORDS)


def pdf(analysis: Analysis, figures: Sequence[Figure], facts: Facts) -> bytes:
    """The report on A4 pages."""
    from matplotlib.backends.backend_pdf import PdfPages
    from matplotlib.figure import Figure as Canvas

    out = io.BytesIO()
    information = {"Title": analysis.name, "Creator": "Cyborg", "CreationDate": facts.made_at}
    with style(), PdfPages(out, metadata=information) as pages:
        for page in _text_pages(list(_lines(analysis, facts))):
            pages.savefig(page)
        for sheet in _sheets(figures):
            canvas = Canvas(figsize=A4_IN)
            _place(canvas, sheet)
            pages.savefig(canvas)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    kind: str = "text"
    right: str = ""


def _lines(analysis: Analysis, facts: Facts) -> Iterator[_Line]:
    yield _Line(analysis.name, "title")
    yield _Line(
        f"{analysis.decisions} decisions of {analysis.participants} "
        f"{'simulated participants: programs, not people' if analysis.simulated else 'participants'}; "
        f"as of {facts.made_at:%d %B %Y, %H:%M} UTC; inputs {facts.inputs_hash[:16]}"
    )
    for caution in analysis.cautions:
        yield from _wrapped(f"Caution: {caution.sentence}", "caution")
    for note in analysis.notes:
        yield from _wrapped(note, "text")
    for title, estimates in tables(analysis):
        yield _Line(title, "head")
        for one in estimates:
            yield from _estimate_lines(one)


def _estimate_lines(one: Estimate) -> Iterator[_Line]:
    where = f"{one.of}, {part(one)}" if one.within else one.of
    p = one.p if one.p_holm is None else one.p_holm
    value = "" if one.value is None else amount(one, one.value)
    told = [
        value,
        f"[{bounds(one)}]" if bounds(one) else "",
        f"p = {probability(p)}" if p is not None else "",
    ]
    right = "   ".join(piece for piece in told if piece).replace("p = <", "p <") or "–"
    name = f"{NAMES.get(one.measure, one.measure)} · {where}"
    yield _Line(name if len(name) < 64 else f"{name[:63]}…", "row", right)
    if one.section != "cells":
        yield from _wrapped(f"{one.meaning} ({one.method})", "meaning")


def _wrapped(text: str, kind: str) -> Iterator[_Line]:
    for line in textwrap.wrap(text, 118 if kind == "meaning" else 104):
        yield _Line(line, kind)


LOOKS: Final[dict[str, dict[str, Any]]] = {
    "title": {"fontsize": 17, "fontweight": "bold"},
    "head": {"fontsize": 11.5, "fontweight": "bold"},
    "text": {"fontsize": 8.5, "color": "#535b61"},
    "caution": {"fontsize": 8.5, "color": "#754700"},
    "row": {"fontsize": 8.5},
    "meaning": {"fontsize": 7, "color": "#535b61"},
}
HEIGHTS: Final = {"title": 2.4, "head": 2.0, "row": 1.15, "meaning": 0.9}


def _text_pages(lines: Sequence[_Line]) -> Iterator[Any]:
    from matplotlib.figure import Figure as Canvas

    bottom, page = 0.0, None
    for at, line in enumerate(lines):
        height = HEIGHTS.get(line.kind, 1.05) * LINE_IN
        # A title stays with its first row, a row with its first line of meaning.
        together = 5 if line.kind == "head" else 2 if line.kind == "row" else 0
        if page is None or bottom - height - together * LINE_IN < MARGIN_IN:
            if page is not None:
                yield page
            page, bottom = Canvas(figsize=A4_IN), A4_IN[1] - MARGIN_IN - (0.2 if at == 0 else 0.0)
        bottom -= height
        y = bottom / A4_IN[1]
        page.text(MARGIN_IN / A4_IN[0], y, line.text, parse_math=False, **LOOKS[line.kind])
        if line.right:
            right = 1 - MARGIN_IN / A4_IN[0]
            page.text(right, y, line.right, ha="right", parse_math=False, **LOOKS[line.kind])
    if page is not None:
        yield page


TITLE_IN: Final = 0.35
CAPTION_IN: Final = 0.75
AROUND_IN: Final = TITLE_IN + CAPTION_IN


def _sheets(figures: Sequence[Figure]) -> Iterator[list[Figure]]:
    """Figures in order, as many on a page as fit."""
    sheet: list[Figure] = []
    whole = A4_IN[1] - 2 * MARGIN_IN
    room = whole
    for figure in figures:
        if sheet and room < figure.height + AROUND_IN:
            yield sheet
            sheet, room = [], whole
        sheet.append(figure)
        room -= figure.height + AROUND_IN
    if sheet:
        yield sheet


def _place(canvas: Any, sheet: Sequence[Figure]) -> None:
    """Titles, figures and captions from the top down; one too high for a page is made to fit."""
    room = A4_IN[1] - 2 * MARGIN_IN
    heights = [MARGIN_IN]
    for one in sheet:
        heights += [TITLE_IN, min(one.height, room - AROUND_IN), CAPTION_IN]
    heights.append(A4_IN[1] - sum(heights))
    # Subfigures fill the canvas by these ratios alone, whatever margins the grid has.
    holders = canvas.subfigures(len(heights), 1, height_ratios=heights)
    for place, one in enumerate(sheet):
        title, holder, caption = holders[3 * place + 1 : 3 * place + 4]
        edge = MARGIN_IN / A4_IN[0]
        title.text(edge, 0.3, one.title, fontsize=11.5, fontweight="bold")
        one.draw(holder)
        words = textwrap.fill(one.caption, 112)
        caption.text(edge, 0.95, words, va="top", fontsize=7.5, linespacing=1.4, color="#535b61")
