"""Figures and pages of an analysis are looked at as a reader would: is every word there, whole and alone?"""

import logging
import re
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from accuracy.analyse import analyse
from accuracy.decisions.table import Decisions
from accuracy.reporting.figures import MOST_ARMS, fifth, figures, style
from accuracy.reporting.layout import HIGHEST_IN, WIDTH_IN, width_in, wrapped
from accuracy.reporting.report import Facts, _pages, html, pdf
from tests.accuracy.findings.test_findings import table

FACTS = Facts(datetime(2026, 1, 2, tzinfo=UTC), "ab" * 32)

LONG = "Bray et al. 2023, single images with the advice of a model: group"
UNBROKEN = "a_name_of_a_condition_without_any_space_as_programs_write_them"
SETS = {
    "two": ("control", "annotate"),
    "four": ("control", "annotate", "advice", "advice and annotate"),
    "six long": (f"{LONG} A", f"{LONG} B", UNBROKEN, "costs $5 or $6", "control", "annotate"),
    "nine": (*(f"{LONG} {letter}" for letter in "ABCDEFG"), "control", "annotate"),
}


def drawn(figure) -> tuple[Canvas, list[Text]]:
    """A figure on a canvas of its own, and its words."""
    with style():
        canvas = Canvas(figsize=(WIDTH_IN, figure.height), dpi=100)
        FigureCanvasAgg(canvas)
        figure.draw(canvas)
        canvas.draw_without_rendering()
    return canvas, words(canvas)


def words(canvas) -> list[Text]:
    """Words that can be seen: a tick outside the limits of its axis has a label that cannot."""
    found = [one for one in canvas.findobj(Text) if one.get_text().strip() and one.get_visible()]
    hidden = set()
    for axes in canvas.axes:
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, sorted(axes.get_ylim()))):
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            inside = {id(tick) for tick in ticks if low - 1e-9 <= tick.get_loc() <= high + 1e-9}
            hidden |= {
                tick.label1 for tick in ticks if id(tick) not in inside or not tick.label1.get_visible()
            }
            hidden |= {tick.label2 for tick in ticks}
    return [one for one in found if one not in hidden]


@pytest.fixture(scope="module", params=SETS, ids=str)
def shown(request):
    """Every figure of a study with many or long names."""
    decisions = table(arms=SETS[request.param], people=6, trials=24)
    frame = decisions.frame
    frame["source"] = np.where(frame["source"] == "one", UNBROKEN, frame["source"])
    found = figures(decisions, analyse(decisions, name="x"), None)
    return decisions, [(one, *drawn(one)) for one in found]


class TestWords:
    def test_no_word_is_cut_off(self, shown):
        for figure, canvas, found in shown[1]:
            for one in found:
                box = one.get_window_extent()
                whole = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= canvas.bbox.x1 and box.y1 <= canvas.bbox.y1
                assert whole, (figure.name, one.get_text(), box)

    def test_no_word_lies_on_another(self, shown):
        for figure, _, found in shown[1]:
            boxes = [(one.get_text(), one.get_window_extent().padded(-1.5)) for one in found]
            for (text, one), (other_text, other) in combinations(boxes, 2):
                assert not one.overlaps(other), (figure.name, text, other_text)

    def test_every_arm_is_drawn_or_named_as_missing(self, shown):
        decisions, found = shown
        missing = decisions.arms[MOST_ARMS:]
        for figure, *_ in found:
            said = re.search(r"Not drawn, for want of room: (.*)\.$", figure.caption)
            expected = len(missing) if figure.name not in ("differences", "measures") else 0
            assert len([arm for arm in decisions.arms if said and arm in said[1]]) == expected

    def test_a_key_names_every_arm_that_is_drawn(self, shown):
        decisions, found = shown
        canvas = next(canvas for figure, canvas, _ in found if figure.name == "learning")
        (legend,) = canvas.legends
        assert len(legend.get_texts()) == min(len(decisions.arms), MOST_ARMS)

    def test_figures_fit_a_page(self, shown):
        assert all(figure.height <= HIGHEST_IN for figure, *_ in shown[1])

    def test_arms_that_painted_are_never_the_ones_left_out(self, shown):
        assert all("annotate" not in figure.caption.partition("Not drawn")[2] for figure, *_ in shown[1])

    def test_percent_ticks_are_at_none_half_and_all(self, shown):
        canvas = next(canvas for figure, canvas, _ in shown[1] if figure.name == "accuracy-per-pair")
        said = [tick.get_text().removesuffix(" %") for tick in canvas.axes[-1].get_xticklabels()]
        assert said == ["0", "50", "100"]


class TestWrapping:
    @pytest.mark.parametrize("text", [LONG, UNBROKEN, "a", "", "$x_1$ and $"])
    def test_lines_are_no_wider_than_they_may(self, text):
        found = wrapped(text, 1.0, lines=2).split("\n")
        assert len(found) <= 2
        assert all(width_in(line) <= 1.0 for line in found)

    def test_what_fits_is_not_touched(self):
        assert wrapped(LONG, 9.0) == LONG

    def test_what_is_left_out_is_marked(self):
        assert wrapped(LONG, 1.0, lines=2).endswith("…")
        assert wrapped(LONG, 1.0, lines=40).replace("\n", " ") == LONG


class TestMeasures:
    """Accuracy, d′ and criterion in one figure."""

    @pytest.fixture
    def analysis(self):
        """A forced choice, with an arm of single images beside it."""
        found = analyse(table(), name="x")
        other = [
            replace(one, section="designs", of="Elsewhere: A")
            for one in found.of("arms")
            if one.of == "control"
        ]
        return replace(found, estimates=(*found.estimates, *other))

    def figure(self, analysis, decisions=None):
        shown = figures(decisions or table(), analysis, None)
        return next((one for one in shown if one.name == "measures"), None)

    def test_every_arm_has_the_three_side_by_side(self, analysis):
        canvas, found = drawn(self.figure(analysis))
        labels = [axes.get_xlabel() for axes in canvas.axes]
        assert labels == ["correct decisions", "d′", "criterion"]
        rows = [one.get_text() for one in found if one.get_text() in ("control", "annotate", "Elsewhere: A")]
        assert rows == ["control", "annotate", "Elsewhere: A"]

    def test_dots_and_lines_are_the_estimates(self, analysis):
        canvas, _ = drawn(self.figure(analysis))
        for axes, measure in zip(canvas.axes, ("accuracy", "d_prime", "criterion"), strict=True):
            wanted = [one for one in analysis.estimates if one.section in ("arms", "designs")]
            wanted = [one for one in wanted if one.measure == measure]
            spans = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 1.6]
            assert [tuple(span) for span in spans] == [(one.low, one.high) for one in wanted]

    def test_what_two_designs_cannot_be_compared_in_is_said(self, analysis):
        assert "only d′ can be compared" in self.figure(analysis).caption
        assert "only d′" not in self.figure(analyse(table(), name="x")).caption

    def test_accuracy_alone_needs_no_such_figure(self):
        decisions = Decisions(table().frame.drop(columns=["choice", "answer"]), "single")
        assert self.figure(analyse(decisions, name="x"), decisions) is None


class TestFigures:
    def test_rows_that_have_no_room_are_told(self):
        decisions = table(arms=SETS["six long"])
        found = {one.name: one for one in figures(decisions, analyse(decisions, name="x"), None)}
        assert re.search(r"\d+ more are in the tables\.$", found["differences"].caption)

    def test_without_a_source_nothing_is_called_all(self):
        decisions = Decisions(table().frame.drop(columns="source"), "single")
        figure = figures(decisions, analyse(decisions, name="x"), None)[0]
        said = [one.get_text() for one in drawn(figure)[1]]
        assert "all" not in said
        assert "rows" not in figure.caption
        assert "share of decisions on an image that are correct" in said

    @pytest.mark.parametrize("column", ["decision_ms", "annotation_ms", "both"])
    def test_times_that_are_all_zero_are_not_drawn_and_warn_of_nothing(self, column):
        decisions = table(people=4)
        columns = ["decision_ms", "annotation_ms"] if column == "both" else [column]
        frame = decisions.frame.assign(**dict.fromkeys(columns, 0.0))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            flat = Decisions(frame, "2afc", decisions.paints)
            found = {one.name: one for one in figures(flat, analyse(flat, name="x"), None)}
            for one in found.values():
                drawn(one)
        assert ("times" in found) == (column != "both")

    def test_fifths_end_where_a_fifth_of_the_values_does(self):
        for n in range(5, 200):
            values = pd.Series(np.random.default_rng(n).permutation(n).astype(float))
            expected = [-(-5 * int(rank) // n) - 1 for rank in values.rank()]
            assert list(fifth(values)) == expected
        assert np.bincount(fifth(pd.Series(np.arange(100.0)))).tolist() == [20] * 5

    def test_equal_values_are_in_one_fifth(self):
        assert fifth(pd.Series([1.0, 2, 3, 3, 3, 3, 4, 5, 6, 7])).iloc[2:6].nunique() == 1


TITLE = "Faces, real and synthetic, judged with and without painting what gave them away, at the university"


@pytest.fixture(scope="module")
def report():
    decisions = table(arms=SETS["four"], people=6)
    notes = ["A note. " * 30]
    analysis = analyse(decisions, name=TITLE, simulated=True, notes=notes)
    return analysis, figures(decisions, analysis, None)


@pytest.fixture(scope="module")
def pages(report):
    analysis, shown = report
    with style():
        found = list(_pages(analysis, shown, FACTS))
        for page in found:
            FigureCanvasAgg(page)
            page.draw_without_rendering()
    return found


class TestPdf:
    def test_the_first_page_says_what_was_found(self, report, pages):
        said = " ".join(one.get_text() for one in pages[0].texts)
        assert TITLE in said
        assert "Accuracy of simulated participants with and without painting" in said
        for one in report[0].of("difference", "difference")[:6]:
            assert one.of in said
        assert "Holm" in said

    def test_figures_come_before_tables(self, report, pages):
        said = [" ".join(one.get_text() for one in page.findobj(Text)) for page in pages]
        last_figure = max(
            at for at, text in enumerate(said) if "Learning over trials" in text and "order" in text
        )
        assert last_figure < min(at for at, text in enumerate(said) if "Permutation test" in text)
        assert all(any(one.title in text for text in said) for one in report[1])

    def test_lines_stay_on_the_page_and_apart(self, pages):
        for page in pages:
            boxes = [(one.get_text(), one.get_window_extent()) for one in page.texts]
            assert all(box.x0 >= 0 and box.x1 <= page.bbox.x1 - 0.3 * page.dpi for _, box in boxes)
            for (text, one), (other_text, other) in combinations(boxes, 2):
                assert not one.padded(-1.5).overlaps(other.padded(-1.5)), (text, other_text)

    def test_making_it_is_quiet(self, report, caplog):
        caplog.set_level(logging.INFO)
        pdf(report[0], report[1][:1], FACTS)
        assert [record.name for record in caplog.records if record.name.startswith("fontTools")] == []


class TestHeadline:
    def test_every_difference_is_in_it(self):
        analysis = analyse(table(arms=SETS["four"], people=4), name="x")
        page = html(analysis, [], FACTS)
        card = page[page.index('aria-label="In short"') : page.index("</section>")]
        main = [one for one in analysis.of("difference", "difference") if one.method.startswith("clustered")]
        assert len(main) == 6
        assert all(one.of in card for one in main)
        assert "Holm" in card

    def test_one_arm_has_its_accuracy_there(self):
        page = html(analyse(table(arms=("control",)), name="x"), [], FACTS)
        assert "correct in control" in page

    def test_without_pairs_it_promises_no_other_pictures(self):
        analysis = analyse(table(), name="x")
        assert "other people with other pictures" in html(analysis, [], FACTS)
        assert "other people with these pictures" in html(replace(analysis, items=0), [], FACTS)
